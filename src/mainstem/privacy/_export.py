"""The exported form of the keys: one JSON file, sealed under a passphrase."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from mainstem.errors import ConfigurationError

__all__ = ["Exported", "pack", "unpack"]

_FORMAT = "mainstem-keys-1"
_SHORTEST = 8
# RFC 9106's second recommendation: 64 MiB, so that a small machine can do it too.
_ITERATIONS, _LANES, _MEMORY_KIB = 3, 4, 64 * 1024
# Bounds on what a file may ask of the importing machine.
_MOST_ITERATIONS, _MOST_LANES, _MOST_MEMORY_KIB = 20, 16, 1024 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Exported:
    """What an export holds."""

    index_key: bytes = dataclasses.field(repr=False)
    keyset: str = dataclasses.field(repr=False)


def pack(exported: Exported, passphrase: str) -> bytes:
    """The file's bytes. Raises ConfigurationError when the passphrase is too short."""
    if len(passphrase) < _SHORTEST:
        raise ConfigurationError(f"The passphrase needs {_SHORTEST} characters or more.")
    nonce = secrets.token_bytes(12)
    head: dict[str, Any] = {
        "format": _FORMAT,
        "kdf": "argon2id",
        "iterations": _ITERATIONS,
        "lanes": _LANES,
        "memory_kib": _MEMORY_KIB,
        "salt": base64.b64encode(secrets.token_bytes(16)).decode(),
        "nonce": base64.b64encode(nonce).decode(),
    }
    body = {"index_key": base64.b64encode(exported.index_key).decode(), "keyset": exported.keyset}
    sealed = _cipher(head, passphrase).encrypt(nonce, json.dumps(body).encode(), _associated(head))
    return json.dumps({**head, "sealed": base64.b64encode(sealed).decode()}, indent=2).encode() + b"\n"


def unpack(data: bytes, passphrase: str, *, where: str) -> Exported:
    """The keys of a file. Raises ConfigurationError when it is no export or the passphrase is wrong."""
    try:
        head = json.loads(data)
        sealed = _bytes(head.pop("sealed"))
        if head["format"] != _FORMAT or head["kdf"] != "argon2id":
            raise ConfigurationError("is an export of another version of Mainstem.", where=where)
        cipher = _cipher(head, passphrase)
        nonce = _bytes(head["nonce"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError("is no export of Mainstem's keys.", where=where) from error
    try:
        body = json.loads(cipher.decrypt(nonce, sealed, _associated(head)))
    except (InvalidTag, ValueError) as error:
        raise ConfigurationError("does not open: the passphrase is wrong, or the file damaged.", where=where) from error
    return Exported(_bytes(body["index_key"]), body["keyset"])


def _cipher(head: Mapping[str, Any], passphrase: str) -> AESGCM:
    iterations, lanes, memory = head["iterations"], head["lanes"], head["memory_kib"]
    if iterations > _MOST_ITERATIONS or lanes > _MOST_LANES or memory > _MOST_MEMORY_KIB:
        raise ValueError("the file asks for more work than any export of ours")
    kdf = Argon2id(salt=_bytes(head["salt"]), length=32, iterations=iterations, lanes=lanes, memory_cost=memory)
    return AESGCM(kdf.derive(passphrase.encode()))


def _associated(head: Mapping[str, Any]) -> bytes:
    return json.dumps(head, sort_keys=True).encode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
