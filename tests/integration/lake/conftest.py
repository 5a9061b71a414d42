from __future__ import annotations

from pathlib import Path

import pytest

from mainstem.privacy import Keyring
from mainstem.store import Database
from mainstem.testing.lake_harness import LakeHarness


@pytest.fixture
def harness(database: Database, keyring: Keyring, tmp_path: Path) -> LakeHarness:
    """A log of two partitions and its lake, both empty."""
    return LakeHarness.open(database, keyring, tmp_path / "lake")
