"""What is compared of held entities: the attributes of one side, in the form in which equal values are equal.

What is personal leaves its batch as a keyed hash: no text of a person is in memory for longer than the batch it came in. A
number or time that is compared with a tolerance is no use as a hash; it stays as it is, in memory.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Sequence

from mainstem.contracts import Contract
from mainstem.model import PiiClass
from mainstem.quality.agreements.agreement import (
    OWN_KEY,
    Agreement,
    Comparison,
    ContractVersions,
    Part,
    Way,
    field_of,
    part_of,
)
from mainstem.quality.agreements.desk import Desk
from mainstem.quality.agreements.held import HELD, HeldEntities
from mainstem.store import Connection

__all__ = ["Asked", "asked_of", "is_hashable", "plain_text", "put_side", "value_of"]

_WHITE = r"E' \t\r\n\f\v'"
# Two of this type can be taken from one another without an overflow.
_NUMBER = "DECIMAL(36, 9)"


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """A column that is made of an attribute by SQL over `HELD` columns."""

    name: str
    attribute: str
    sealed: bool
    """Whether the attribute may lie in the part of personal attributes."""
    sql: str
    hashed: bool = False
    bare: bool = False
    """Whether it is personal and stands as it is: not to be written anywhere."""


def asked_of(
    agreement: Agreement, both: tuple[Contract, Contract], contracts: ContractVersions, *, left: bool
) -> Sequence[Asked]:
    """The columns of a side: `k` to match by, and of each comparison n `v<n>` to compare and `s<n>` to show.

    What is personal on either side is shown of neither: `s<n>` is null. So it is of a value that was sealed when it came.
    """
    sides = (agreement.left, agreement.right)

    def parts(*attributes: str) -> tuple[Part, Part]:
        one, other = (part_of(contracts, *each) for each in zip(sides, both, attributes, strict=True))
        return one, other

    here = 0 if left else 1
    found = []
    by = parts(agreement.left.by, agreement.right.by)
    fold = agreement.ignore_case if agreement.ignore_case is not None else _by_address(agreement, both)
    attribute, sealed = sides[here].by, any(one.sealed for one in by)
    key = f"nullif({plain_text(value_of(attribute, by[here]), fold=fold)}, '')"
    found.append(Asked("k", attribute, by[here].sealed, key, hashed=sealed))
    for n, one in enumerate(agreement.comparisons):
        compared = parts(one.left, one.right)
        attribute, part, sealed = (one.left, one.right)[here], compared[here], any(each.sealed for each in compared)
        form, hashed = _form(one, value_of(attribute, part), translated=left), sealed and is_hashable(one)
        if hashed and one.way in {Way.NUMBER, Way.TIME}:
            form = f"({form})::VARCHAR"
        found.append(Asked(f"v{n}", attribute, part.sealed, form, hashed=hashed, bare=sealed and not hashed))
        shown = "NULL::VARCHAR" if any(each.personal for each in compared) else value_of(attribute, Part(False, False))
        found.append(Asked(f"s{n}", attribute, False, shown))
    return found


def is_hashable(comparison: Comparison) -> bool:
    """Whether its values agree only where they are equal."""
    return comparison.tolerance == 0


def put_side(
    conn: Connection,
    held: HeldEntities,
    asked: Sequence[Asked],
    stream: tuple[str, Contract],
    desk: Desk,
    name: str,
) -> None:
    """Put all entities of a stream (its source and contract) into a table: `ref`, `changed_at` and the columns asked for.

    Raises IntegrityError where a seal does not open, UnavailableError, and DuckDB's error where there is no room.
    """
    source, contract = stream
    keys = any(one.attribute == OWN_KEY for one in asked)
    personal = any(one.sealed and one.attribute != OWN_KEY for one in asked)
    batches = held(conn, contract.mapping.entity, source, contract.stream, personal=personal, keys=keys)
    query = f"SELECT ref, changed_at, {', '.join(f'{one.sql} AS {one.name}' for one in asked)} FROM held"
    into = f"CREATE TABLE {name} AS"
    for batch in itertools.chain([HELD.empty_table()], batches):
        desk.duck.register("held", batch)
        formed = desk.duck.execute(query).to_arrow_table()
        desk.duck.unregister("held")
        for one in asked:
            if one.hashed:
                at = formed.column_names.index(one.name)
                formed = formed.set_column(at, one.name, desk.hashed(formed[one.name]))
        desk.duck.register("formed", formed)
        desk.duck.execute(f"{into} SELECT * FROM formed")
        desk.duck.unregister("formed")
        into = f"INSERT INTO {name}"


def value_of(attribute: str, part: Part) -> str:
    """SQL for the text of an attribute of `HELD` rows."""
    if attribute == OWN_KEY:
        return '"key"'
    path = _literal("$." + json.dumps(attribute))
    own, other = ("personal", "attributes") if part.personal else ("attributes", "personal")
    value = f"json_extract_string({own}, {path})"
    if not part.moved:
        return value
    # Null said under the contract in force is null, whatever was said before.
    return f"CASE WHEN coalesce(json_exists({own}, {path}), false) THEN {value} ELSE json_extract_string({other}, {path}) END"


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


def _by_address(agreement: Agreement, contracts: tuple[Contract, Contract]) -> bool:
    """Whether a side matches by an e-mail address."""
    sides = zip(contracts, (agreement.left.by, agreement.right.by), strict=True)
    fields = [field_of(contract, attribute) for contract, attribute in sides]
    return any(field is not None and field.pii is PiiClass.EMAIL for field in fields)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
