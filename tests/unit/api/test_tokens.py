"""Tokens come back as they went out, or not at all."""

from __future__ import annotations

import base64

import pytest

from mainstem.api.tokens import PageToken, ResumeToken, TokenSigner

SIGNER = TokenSigner(b"k" * 32)
RESUME = ResumeToken(3, {0: 17, 16: 2**40}, "health-scores?customer_id=oulad:AAA é")
PAGE = PageToken("abc", [12.5, None, "x", "2026-01-15T12:00:00Z"])


def test_round_trip() -> None:
    assert SIGNER.read(SIGNER.sign(RESUME), ResumeToken) == RESUME
    assert SIGNER.read(SIGNER.sign(PAGE), PageToken) == PAGE


def test_another_kind_is_not_read() -> None:
    assert SIGNER.read(SIGNER.sign(RESUME), PageToken) is None
    assert SIGNER.read(SIGNER.sign(PAGE), ResumeToken) is None


def test_every_changed_bit_is_noticed() -> None:
    text = SIGNER.sign(PAGE)
    raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1
        assert SIGNER.read(base64.urlsafe_b64encode(changed).rstrip(b"=").decode(), PageToken) is None


@pytest.mark.parametrize("text", ["", "x", "é", "a" * 5000, "====", "\x00", "../../etc"])
def test_garbage_is_not_ours(text: str) -> None:
    assert SIGNER.read(text, ResumeToken) is None


def test_another_installation_is_not_ours() -> None:
    assert TokenSigner(b"o" * 32).read(SIGNER.sign(RESUME), ResumeToken) is None
