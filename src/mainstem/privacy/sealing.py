"""Sealing: authenticated encryption of what may identify a person, with keysets that rotate."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import tink
from tink import aead, json_proto_keyset_format, secret_key_access

from mainstem.errors import IntegrityError, MissingKeysError

__all__ = ["Sealer", "new_keyset", "rotated_keyset"]

aead.register()

# How long a process goes on sealing with the old key after another has rotated.
_LOOK_SECONDS = 1.0


def new_keyset() -> str:
    """A new Tink keyset of one AES-256-GCM key, as clear JSON."""
    handle = tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM)
    return str(json_proto_keyset_format.serialize(handle, secret_key_access.TOKEN))


def rotated_keyset(keyset: str) -> str:
    """The keyset with a new primary key; the old keys stay, so that everything sealed before still opens."""
    old = json.loads(keyset)
    taken = {key["keyId"] for key in old["key"]}
    while True:
        new = json.loads(new_keyset())
        if new["primaryKeyId"] not in taken:
            break
    return json.dumps({"primaryKeyId": new["primaryKeyId"], "key": [*old["key"], *new["key"]]}, indent=2)


def _primitive(keyset: str) -> aead.Aead:
    handle = json_proto_keyset_format.parse(keyset, secret_key_access.TOKEN)
    return cast("aead.Aead", handle.primitive(aead.Aead))


class Sealer:
    """Seals and opens bytes; thread-safe.

    `context` is authenticated with the data and not stored: what was sealed for one context opens in no other, so that
    sealed parts cannot be exchanged. A sealed value is 33 bytes longer than the data.
    """

    def __init__(self, keyset: str, reload: Callable[[], str] | None = None) -> None:
        """A sealer over a clear keyset; raises tink.TinkError when it is none.

        `reload` reads the keyset again: another process may have rotated it. It is asked about once a second while there is
        something to seal, and when something does not open.
        """
        self._keyset = keyset
        self._reload = reload
        self._primitive = _primitive(keyset)
        self._lock = threading.Lock()
        self._looked_at = time.monotonic()

    def __repr__(self) -> str:
        return "Sealer()"

    def seal(self, data: bytes, context: bytes) -> bytes:
        """The data sealed under the primary key."""
        self._look_again()
        return cast("bytes", self._primitive.encrypt(data, context))

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """What was sealed for this context.

        Raises IntegrityError when it is damaged, was sealed for another context or by keys not in this keyset.
        """
        try:
            return cast("bytes", self._primitive.decrypt(sealed, context))
        except tink.TinkError as error:
            if self._reloaded():
                return self.open(sealed, context)
            raise IntegrityError(
                "A sealed value does not open: it is damaged, belongs elsewhere or was sealed with other keys.",
                hint="Make sure that the keys folder is the one that belongs to this installation.",
            ) from error

    def seal_many(self, data: Sequence[bytes], context: bytes) -> list[bytes]:
        """Each of the values sealed for the same context."""
        self._look_again()
        encrypt: Any = self._primitive.encrypt
        return [encrypt(one, context) for one in data]

    def open_many(self, sealed: Sequence[bytes], context: bytes) -> list[bytes]:
        """What was sealed, in order. Raises IntegrityError when one does not open."""
        return [self.open(one, context) for one in sealed]

    def replace(self, keyset: str) -> None:
        """Go on with another keyset, after a rotation in this process."""
        with self._lock:
            self._primitive = _primitive(keyset)
            self._keyset = keyset

    def _look_again(self) -> None:
        """Take up a rotation by another process, if it is time to look for one."""
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            # A folder that is away this moment stops nobody who has its keys.
            with contextlib.suppress(MissingKeysError):
                self._reloaded()

    def _reloaded(self) -> bool:
        """Whether the keyset had changed underneath and was taken up."""
        if self._reload is None:
            return False
        keyset = self._reload()
        if keyset == self._keyset:
            return False
        self.replace(keyset)
        return True
