"""Decompression that a bomb cannot burst: bounded in total, in ratio and in what is held at once."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import zstandard

from mainstem.errors import RefusedError
from mainstem.intake.settings import DoorSettings

__all__ = ["decompress"]

# A ratio says nothing about small bodies: 500 equal events may well shrink to a thousandth.
_RATIO_FREE = 4 << 20

_GZIP_IN = 64 * 1024
_GZIP_OUT = 1 << 20
# Every member costs a decoder; joined log files have a few, block-wise gzip one for 64 KiB.
_MEMBERS = 4096

# A zstd block of 4 bytes may stand for 128 KiB: 512 bytes of input give at most 16 MiB at once.
_ZSTD_IN = 512
# What RFC 8878 asks every decoder to support, and no more.
_ZSTD_WINDOW = 8 << 20


def decompress(body: bytes, encoding: str | None, settings: DoorSettings) -> bytes:
    """The body without its Content-Encoding.

    Raises RefusedError: `unsupported_encoding`, `bad_compression` (truncated, corrupt or followed by garbage),
    `too_large` (the total, or the ratio of a bomb).
    """
    match (encoding or "identity").strip().lower():
        case "identity" | "":
            return body
        case "gzip" | "x-gzip":
            pieces = _gzip(body)
        case "zstd":
            pieces = _zstd(body)
        case _:
            raise RefusedError(
                "unsupported_encoding",
                "This Content-Encoding is not read here.",
                hint="Send gzip, zstd, or the body as it is.",
            )
    parts: list[bytes] = []
    size = 0
    try:
        for piece in pieces:
            size += len(piece)
            if size > settings.max_decompressed:
                raise RefusedError(
                    "too_large",
                    f"Decompressed, the body is larger than {settings.max_decompressed} bytes.",
                    hint="Send it in several bodies.",
                )
            if size > _RATIO_FREE and size > settings.max_ratio * len(body):
                raise RefusedError(
                    "too_large",
                    f"The body decompresses to more than {settings.max_ratio} times its size.",
                    hint="Send it in smaller bodies, or uncompressed.",
                )
            parts.append(piece)
    except (zlib.error, zstandard.ZstdError) as error:
        raise RefusedError(
            "bad_compression",
            f"The body is not valid {encoding}.",
            hint="Compress it anew; nothing may follow the compressed data, and zstd's window is 8 MiB at most.",
        ) from error
    return b"".join(parts)


def _gzip(body: bytes) -> Iterator[bytes]:
    view = memoryview(body)
    member = zlib.decompressobj(wbits=31)
    members = 1
    for start in range(0, len(body), _GZIP_IN):
        data: bytes | memoryview = view[start : start + _GZIP_IN]
        while data:
            if member.eof:
                members += 1
                if members > _MEMBERS:
                    raise zlib.error(f"more than {_MEMBERS} members")
                member = zlib.decompressobj(wbits=31)
            yield member.decompress(data, _GZIP_OUT)
            data = member.unused_data if member.eof else member.unconsumed_tail
        # Input may be used up while output is still held back by the bound.
        while not member.eof and (rest := member.decompress(b"", _GZIP_OUT)):
            yield rest
    if not member.eof:
        raise zlib.error("truncated")


def _zstd(body: bytes) -> Iterator[bytes]:
    view = memoryview(body)
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    frame = decompressor.decompressobj()
    frames = 1
    for start in range(0, len(body), _ZSTD_IN):
        data: bytes | memoryview = view[start : start + _ZSTD_IN]
        while data:
            if frame.eof:
                frames += 1
                if frames > _MEMBERS:
                    raise zstandard.ZstdError(f"more than {_MEMBERS} frames")
                frame = decompressor.decompressobj()
            yield frame.decompress(data)
            data = frame.unused_data if frame.eof else b""
    if not frame.eof:
        raise zstandard.ZstdError("truncated")
