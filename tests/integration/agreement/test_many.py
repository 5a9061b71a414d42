"""A hundred thousand entities beside a hundred thousand: seconds, not minutes."""

from __future__ import annotations

import datetime as dt
import json
import time
import uuid
from typing import Any

import pytest

from mainstem.processing import entity_context

NUMBER = 100_000
DIFFERS = 500
# Some ten seconds on two busy cores; a comparison of each with each would take hours.
BOUND = 120.0


@pytest.fixture
def many(systems: Any) -> Any:
    """As many customers in both systems, every 200th with another plan; addresses and names are sealed."""
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    with systems.site.runtime() as runtime, runtime.database.transaction() as conn:
        keyring = runtime.keyring
        for source, stream, mail, plan in (
            ("crm", "accounts", "mail", "plan"),
            ("billing", "customers", "contact", "tier"),
        ):
            with conn.cursor().copy(
                "COPY entity (entity, ref, source, deleted, version, observed_at, row_hash, content_hash, attributes, sealed) "
                "FROM STDIN"
            ) as copy:
                for n in range(NUMBER):
                    ref = keyring.references.ref(source, "customer", str(n))
                    says = "other" if source == "crm" and n % (NUMBER // DIFFERS) == 0 else "enterprise"
                    personal = json.dumps({mail: f"c{n}@example.org", "name": f"Company {n}"}).encode()
                    sealed = keyring.sealer.seal(personal, entity_context(ref))
                    attributes = json.dumps({plan: says, "seats": n, "places": n})
                    zero = uuid.UUID(int=0)
                    copy.write_row(
                        ("customer", uuid.UUID(bytes=ref), source, False, "", at, zero, zero, attributes, sealed)
                    )
            conn.execute(
                """
                INSERT INTO entity_version (entity, ref, version, observed_at, content_hash, last_version, last_observed_at,
                    accepted, op, source, stream, contract_version, day, attributes)
                SELECT entity, ref, version, observed_at, content_hash, version, observed_at, true, 'upsert', source, %s, 1,
                    '2026-01-01', '{}' FROM entity WHERE source = %s
                """,
                [stream, source],
            )
        conn.execute("ANALYZE entity, entity_version")
    systems.declare()
    return systems


def test_many_entities_are_compared_in_seconds(many: Any) -> None:
    began = time.monotonic()
    found = many.evaluate()
    took = time.monotonic() - began
    assert (found.left.matched, found.right.matched, found.ambiguous) == (NUMBER, NUMBER, 0)
    compared = {one.left: one for one in found.compared}
    assert (compared["plan"].differing, compared["plan"].agreeing) == (DIFFERS, NUMBER - DIFFERS)
    assert (compared["seats"].agreeing, compared["name"].agreeing) == (NUMBER, NUMBER)
    assert len([one for one in found.differences if one.comparison == 1]) == 100
    assert took < BOUND
