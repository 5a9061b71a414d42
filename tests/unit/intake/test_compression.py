from __future__ import annotations

import gzip
import random
import tracemalloc
from collections.abc import Callable

import pytest
import zstandard

from mainstem.errors import RefusedError
from mainstem.intake import DoorSettings
from mainstem.intake._compression import decompress

SETTINGS = DoorSettings()
TEXT = b'{"stream": "usage_events", "payload": {}}\n' * 200
SKIPPABLE_FRAME = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"


def reason(body: bytes, encoding: str, settings: DoorSettings = SETTINGS) -> str:
    with pytest.raises(RefusedError) as caught:
        decompress(body, encoding, settings)
    assert caught.value.hint
    return caught.value.reason


@pytest.mark.parametrize(
    ("encoding", "body", "expected"),
    [
        (None, TEXT, TEXT),
        ("identity", TEXT, TEXT),
        ("gzip", gzip.compress(TEXT, mtime=0), TEXT),
        ("X-GZIP ", gzip.compress(TEXT, mtime=0), TEXT),
        ("gzip", gzip.compress(TEXT, mtime=0) + gzip.compress(TEXT, mtime=0), TEXT * 2),
        ("gzip", gzip.compress(b"", mtime=0), b""),
        ("zstd", zstandard.compress(TEXT), TEXT),
        ("zstd", zstandard.compress(TEXT) + zstandard.compress(TEXT), TEXT * 2),
        ("zstd", SKIPPABLE_FRAME + zstandard.compress(TEXT) + SKIPPABLE_FRAME, TEXT),
    ],
)
def test_reads_what_was_compressed(encoding: str | None, body: bytes, expected: bytes) -> None:
    assert decompress(body, encoding, SETTINGS) == expected


def test_reads_a_large_body_in_bounded_steps() -> None:
    text = random.Random(1).randbytes(2 << 20) * 4
    assert decompress(gzip.compress(text), "gzip", SETTINGS) == text
    assert decompress(zstandard.compress(text), "zstd", SETTINGS) == text


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "compress"])
def test_refuses_other_encodings(encoding: str) -> None:
    assert reason(TEXT, encoding) == "unsupported_encoding"


@pytest.mark.parametrize(
    ("encoding", "spoil"),
    [
        ("gzip", lambda body: body[:-1]),
        ("gzip", lambda body: body[:-8]),
        ("gzip", lambda body: body[: len(body) // 2]),
        ("gzip", lambda body: body[:-8] + bytes(4) + body[-4:]),
        ("gzip", lambda body: body + b"garbage"),
        ("gzip", lambda body: body + bytes(16)),
        ("gzip", lambda _: b""),
        ("gzip", lambda _: TEXT),
        ("zstd", lambda body: body[:-1]),
        ("zstd", lambda body: body[: len(body) // 2]),
        ("zstd", lambda body: body + b"g"),
        ("zstd", lambda body: body + b"garbage"),
        ("zstd", lambda body: body[:6] + b"\xff\xff\xff" + body[9:]),
        ("zstd", lambda _: b""),
        ("zstd", lambda _: TEXT),
    ],
)
def test_refuses_a_broken_body_as_a_whole(encoding: str, spoil: Callable[[bytes], bytes]) -> None:
    whole = gzip.compress(TEXT) if encoding == "gzip" else zstandard.compress(TEXT)
    assert reason(spoil(whole), encoding) == "bad_compression"


def test_refuses_a_zstd_frame_that_needs_a_huge_window() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    body = compressor.compress(bytes(range(256)) * 65_536) + compressor.flush()
    assert reason(body, "zstd") == "bad_compression"


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_stopped_by_its_size_with_bounded_memory(encoding: str) -> None:
    text = bytes(256 << 20)
    bomb = gzip.compress(text, 1) if encoding == "gzip" else zstandard.compress(text)
    del text
    settings = DoorSettings(max_decompressed=8 << 20, max_ratio=1_000_000)
    tracemalloc.start()
    try:
        assert reason(bomb, encoding, settings) == "too_large"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # What is allowed, and one step of the decoder.
    assert peak < (8 << 20) + (17 << 20)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_stopped_by_its_ratio(encoding: str) -> None:
    text = bytes(32 << 20)
    bomb = gzip.compress(text, 9) if encoding == "gzip" else zstandard.compress(text)
    assert reason(bomb, encoding) == "too_large"


def test_a_small_body_may_shrink_as_far_as_it_likes() -> None:
    text = b'{"a":1}\n' * 100_000
    body = zstandard.compress(text)
    assert len(text) > SETTINGS.max_ratio * len(body)
    assert decompress(body, "zstd", SETTINGS) == text


@pytest.mark.parametrize(
    "body", [gzip.compress(b"", mtime=0) * 5_000, gzip.compress(b"x", mtime=0) + gzip.compress(b"", mtime=0) * 5_000]
)
def test_countless_empty_members_are_refused(body: bytes) -> None:
    assert reason(body, "gzip") == "bad_compression"


def test_countless_empty_frames_are_refused() -> None:
    assert reason(SKIPPABLE_FRAME * 5_000, "zstd") == "bad_compression"
