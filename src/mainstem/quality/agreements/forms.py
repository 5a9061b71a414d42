"""What is compared of held entities: the attributes of one side, in the form in which equal values are equal.

What is personal leaves its batch as a keyed hash: no text of a person is in memory for longer than the batch it came in.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Sequence

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.contracts import Contract
from mainstem.model import PiiClass
from mainstem.privacy import Hasher
from mainstem.quality.agreements.agreement import OWN_KEY, Agreement, Comparison, Way, field_of, is_personal
from mainstem.quality.agreements.held import HELD, HeldEntities
from mainstem.store import Connection

__all__ = ["Asked", "asked_of", "plain_text", "read_side", "value_of"]

_PURPOSE = b"agreement"
_WHITE = r"E' \t\r\n\f\v'"
# Two of this type can be taken from one another without an overflow.
_NUMBER = "DECIMAL(36, 9)"


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """A column that is made of an attribute by SQL over `HELD` columns."""

    name: str
    attribute: str
    sealed: bool
    """Whether the attribute lies in the part of personal attributes."""
    sql: str
    hashed: bool = False


def asked_of(agreement: Agreement, contracts: tuple[Contract, Contract], *, left: bool) -> Sequence[Asked]:
    """The columns of a side: `k` to match by, and of each comparison n `v<n>` to compare and `s<n>` to show.

    What is personal on either side is shown of neither: `s<n>` is null.
    """
    side, contract = (agreement.left, contracts[0]) if left else (agreement.right, contracts[1])
    ways = zip(contracts, (agreement.left.by, agreement.right.by), strict=True)
    hashed = any(is_personal(one, attribute) for one, attribute in ways)
    fold = agreement.ignore_case if agreement.ignore_case is not None else _by_address(agreement, contracts)
    key = f"nullif({plain_text(value_of(contract, side.by), fold=fold)}, '')"
    found = [Asked("k", side.by, is_personal(contract, side.by), key, hashed)]
    for n, one in enumerate(agreement.comparisons):
        attribute = one.left if left else one.right
        value, own = value_of(contract, attribute), is_personal(contract, attribute)
        personal = is_personal(contracts[0], one.left) or is_personal(contracts[1], one.right)
        texts = one.way in {Way.EXACT, Way.IGNORE_CASE}
        found.append(Asked(f"v{n}", attribute, own, _form(one, value, translated=left), personal and texts))
        found.append(Asked(f"s{n}", attribute, own, "NULL::VARCHAR" if personal else value))
    return found


def read_side(
    conn: Connection,
    held: HeldEntities,
    asked: Sequence[Asked],
    stream: tuple[str, Contract],
    tools: tuple[duckdb.DuckDBPyConnection, Hasher],
) -> pa.Table:
    """All entities of a stream (its source and contract): `ref`, `changed_at` and the columns asked for.

    Raises IntegrityError where a seal does not open, UnavailableError.
    """
    source, contract = stream
    connection, hasher = tools
    keys = any(one.attribute == OWN_KEY for one in asked)
    personal = any(one.sealed and one.attribute != OWN_KEY for one in asked)
    batches = held(conn, contract.mapping.entity, source, contract.stream, personal=personal, keys=keys)
    query = f"SELECT ref, changed_at, {', '.join(f'{one.sql} AS {one.name}' for one in asked)} FROM held"
    found = []
    for batch in itertools.chain([HELD.empty_table()], batches):
        connection.register("held", batch)
        try:
            formed = connection.execute(query).to_arrow_table()
        finally:
            connection.unregister("held")
        for one in asked:
            if one.hashed:
                at = formed.column_names.index(one.name)
                formed = formed.set_column(at, one.name, _hashed(hasher, formed[one.name]))
        found.append(formed)
    return pa.concat_tables(found)


def value_of(contract: Contract, attribute: str) -> str:
    """SQL for the text of an attribute of `HELD` rows."""
    if attribute == OWN_KEY:
        return '"key"'
    part = "personal" if is_personal(contract, attribute) else "attributes"
    return f"json_extract_string({part}, {_literal('$.' + json.dumps(attribute))})"


def plain_text(value: str, *, fold: bool) -> str:
    """SQL for a text without outer white space, in the one of several ways to write it, without case where it is folded."""
    plain = f"nfc_normalize(trim({value}, {_WHITE}))"
    return f"nfc_normalize(lower({plain}))" if fold else plain


def _form(comparison: Comparison, value: str, *, translated: bool) -> str:
    """SQL for what is compared; `translated`: values stand for those of the other side."""
    if comparison.way is Way.NUMBER:
        return f"TRY_CAST({value} AS {_NUMBER})"
    if comparison.way is Way.TIME:
        return f"epoch_us(TRY_CAST({value} AS TIMESTAMP))"
    texts = [value, *map(_literal, itertools.chain.from_iterable(comparison.values.items()))]
    form, *named = texts if comparison.way is Way.EXACT else [plain_text(text, fold=True) for text in texts]
    if not (translated and named):
        return form
    cases = " ".join(f"WHEN {one} THEN {meant}" for one, meant in zip(named[::2], named[1::2], strict=True))
    return f"CASE {form} {cases} ELSE {form} END"


def _hashed(hasher: Hasher, values: pa.ChunkedArray) -> pa.Array:
    """Keyed hashes; null stays null."""
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    hashes = hasher.hashes(_PURPOSE, [whole]).cast(pa.binary())
    return pc.if_else(whole.is_valid(), hashes, pa.scalar(None, pa.binary()))


def _by_address(agreement: Agreement, contracts: tuple[Contract, Contract]) -> bool:
    """Whether a side matches by an e-mail address."""
    sides = zip(contracts, (agreement.left.by, agreement.right.by), strict=True)
    fields = [field_of(contract, attribute) for contract, attribute in sides]
    return any(field is not None and field.pii is PiiClass.EMAIL for field in fields)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
