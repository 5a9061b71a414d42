"""Rows of Mainstem's own tables as records of the lake."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mainstem.model import ENVELOPE, MAINSTEM_SOURCE

__all__ = ["own_records"]


def own_records(stream: str, rows: Sequence[tuple[int | str, dt.datetime, dt.datetime, str, str]]) -> pa.RecordBatch:
    """Records in `ENVELOPE` columns of rows (id, when it was true, when it was known, what it is about, JSON text)."""
    count = len(rows)
    ids, ats, known, refs, texts = zip(*rows, strict=True)
    columns: dict[str, Any] = {
        "source": [MAINSTEM_SOURCE] * count,
        "stream": [stream] * count,
        "contract_version": [0] * count,
        "record_id": [str(one) for one in ids],
        "key": [None] * count,
        "partition_key": list(refs),
        "slot": [0] * count,
        "op": ["event"] * count,
        "occurred_at": list(ats),
        "observed_at": list(known),
        "origin": ["export"] * count,
        "delivery": [f"{stream}-{ids[0]}"] * count,
        "delivery_index": np.arange(count, dtype=np.uint32),
        "content_type": ["application/json;canonical"] * count,
        "payload": [text.encode() for text in texts],
    }
    return pa.record_batch([pa.array(columns[field.name], field.type) for field in ENVELOPE], schema=ENVELOPE)
