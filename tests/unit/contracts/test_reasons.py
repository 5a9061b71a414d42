from __future__ import annotations

import pytest

from mainstem.contracts import Reason


@pytest.mark.parametrize("reason", list(Reason))
def test_a_message_says_what_is_wrong_and_what_to_do(reason: Reason) -> None:
    message = reason.message("customer_id")
    assert message.endswith(".")
    assert message.count(". ") >= 1
    assert "{" not in message


def test_a_message_names_the_field_when_one_is_at_fault() -> None:
    assert "Field 'customer_id'" in Reason.MISSING.message("customer_id")
    assert "The record" in Reason.MISSING.message()
    assert "customer_id" not in Reason.INVALID_JSON.message("customer_id")
