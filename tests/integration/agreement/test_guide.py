"""What the guide shows is what Mainstem takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "agreement.md"


def test_the_guides_agreement_is_activated_and_compared(systems: Any) -> None:
    [text] = [block for block in re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL) if "match:" in block]
    systems.send("crm", [systems.account(n) for n in range(1, 4)])
    systems.send("billing", [systems.customer(n) for n in range(1, 4)])
    systems.declare(text)
    # An hour has to pass first.
    assert systems.evaluate().left.unsettled == 3
