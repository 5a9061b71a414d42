"""What a quarantined record says of its operation, read again: the envelope's word stays, the payload's is looked for anew."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

import pytest

from mainstem.contracts import Contract, read_contract
from mainstem.processing.quarantine import QuarantinedRecord
from mainstem.processing.rereading import read_again

_CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: accounts
version: 1.0.0
customProperties: [{{property: source, value: crm}}]
schema:
  - name: accounts
    customProperties:
      - {{property: partitionKey, value: account}}
      - {{property: deleted, value: gone}}
      - {{property: mapping, value: {{entity: customer, attributes: {{customer_id: account}}}}}}
    properties:
      - {{name: account, logicalType: string, required: true, primaryKey: true}}
      - {{name: gone, logicalType: boolean, physicalName: {key}}}
"""


@dataclasses.dataclass
class _Contracts:
    """The last one is in force."""

    every: Sequence[Contract]

    def active(self, _source: str, _stream: str) -> Contract:
        return self.every[-1]

    def at(self, _source: str, _stream: str, version: int) -> Contract:
        return self.every[version - 1]


def _contracts(*keys: str) -> _Contracts:
    texts = [read_contract(_CONTRACT.format(key=key), "test") for key in keys]
    return _Contracts([dataclasses.replace(one, version=number) for number, one in enumerate(texts, 1)])


@pytest.mark.parametrize(
    ("op", "payload", "corrected", "expected"),
    [
        ("delete", b'{"gone":true}', b'{"account":"a","gone":false}', "upsert"),
        ("delete", b'{"gone":true}', b'{"account":"a"}', "upsert"),
        ("delete", b'{"gone":true}', b'{"account":"a","gone":true}', "delete"),
        ("delete", b"{}", b'{"account":"a"}', "delete"),
        ("upsert", b'{"gone":false}', b'{"account":"a","gone":true}', "delete"),
        ("patch", b'{"gone":true}', b'{"account":"a","gone":false}', "patch"),
        ("event", b'{"gone":false}', b'{"account":"a","gone":false}', "upsert"),
    ],
)
def test_a_correction_says_whether_a_record_is_a_tombstone(
    op: str, payload: bytes, corrected: bytes, expected: str
) -> None:
    [row] = read_again([_record(op, payload)], [corrected], _contracts("gone"))
    assert row["op"] == expected


def test_a_contract_that_looks_elsewhere_for_tombstones_is_asked_there() -> None:
    found, envelope = _record("delete", b'{"gone":true}'), _record("delete", b'{"gone":false}')
    rows = read_again([found, envelope], [found.payload, envelope.payload], _contracts("gone", "removed"))
    assert [row["op"] for row in rows] == ["upsert", "delete"]


def _record(op: str, payload: bytes) -> QuarantinedRecord:
    return QuarantinedRecord(
        source="crm",
        stream="accounts",
        contract_version=1,
        record_id=None,
        key=None,
        partition_key=None,
        slot=0,
        op=op,
        occurred_at=None,
        observed_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        origin="http",
        delivery="d",
        delivery_index=0,
        content_type="application/json",
        payload=payload,
    )
