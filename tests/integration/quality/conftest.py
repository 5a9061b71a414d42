"""Counts as commits leave them, written for days of one's choice."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest

from mainstem.contracts import Contract, read_contract
from mainstem.model import Lane, Span
from mainstem.processing.tables.ledger_terms import Terms, write_terms
from mainstem.processing.tables.quality_counts import write_quality
from mainstem.quality import StreamCounts
from mainstem.quality.distinct import sketched
from mainstem.store import Database

ORDERS = """
apiVersion: v3.2.0
kind: DataContract
id: shop-orders
version: 1.0.0
customProperties: [{property: source, value: shop}]
schema:
  - name: orders
    customProperties:
      - {property: partitionKey, value: account}
      - {property: recordId, value: id}
      - {property: occurredAt, value: at}
      - property: mapping
        value:
          entity: usage_event
          attributes: {customer_id: account, event: kind, occurred_at: at, quantity: amount, object: page}
    quality:
      - {name: refunds, type: custom, engine: mainstem, implementation: "kind <> 'refund' OR amount <= 0", severity: warn}
    properties:
      - {name: id, logicalType: string, required: true}
      - {name: account, logicalType: string, required: true}
      - {name: kind, logicalType: string, required: true}
      - {name: at, logicalType: timestamp, required: true}
      - {name: amount, logicalType: number, logicalTypeOptions: {maximum: 1000}, customProperties: [{property: completeness, value: 0.6}]}
      - {name: page, logicalType: string}
"""
FIELDS = ("id", "account", "kind", "at", "amount", "page")


@dataclasses.dataclass
class Counts:
    """Writes counts of the stream `shop.orders`."""

    database: Database
    contract: Contract

    def active(self, source: str, stream: str) -> Contract | None:
        return self.contract if (source, stream) == ("shop", "orders") else None

    def write(
        self,
        day: dt.date,
        record: tuple[int, int, int, int, int, int],
        fields: Mapping[str, tuple[int, int, int]] | None = None,
        *,
        partition: int = 0,
        told: tuple[int, int] = (0, 0),
        different: Mapping[str, int] | None = None,
    ) -> None:
        """`fields`: missing, invalid, inconsistent of those that are not faultless; `told`: accepted, duplicate.

        `different`: how many different values a field has, always the same ones of as many.
        """
        values = [pa.chunked_array([np.arange((different or {}).get(name, 0))]) for name in FIELDS]
        counts = np.zeros((4, len(FIELDS)), np.int64)
        counts[0] = record[0]
        for name, wrong in (fields or {}).items():
            counts[1:, FIELDS.index(name)] = wrong
        one = StreamCounts("shop", "orders", 1, day, FIELDS, np.array(record), counts, sketched(values, 7))
        span = Span(1, partition, Lane.LIVE, 1, 1)
        terms: Terms = Terms()
        terms["shop", "orders", day, "accepted"], terms["shop", "orders", day, "duplicate"] = told
        with self.database.transaction() as conn:
            write_quality(conn, span, [one])
            write_terms(conn, span, terms)


@pytest.fixture
def counts(database: Database) -> Counts:
    return Counts(database, dataclasses.replace(read_contract(ORDERS, "orders"), version=1))


@pytest.fixture
def orders() -> str:
    """The contract's text."""
    return ORDERS
