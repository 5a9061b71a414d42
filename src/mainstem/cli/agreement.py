"""`mainstem agreement`: what systems say alike, and how much of what is held is true."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import App, Parameter, validators

from mainstem.cli.agreement_sample import compare, sample
from mainstem.cli.options import DEFAULT_DATA_DIR, AsJson, ConfigFile, DataDir
from mainstem.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainstem.quality.agreements import InForce
    from mainstem.runtime.wiring import Runtime

__all__ = ["app"]

app = App(
    name="agreement",
    help="Compare systems with one another, and samples with what is held.",
    help_format="plaintext",
)
app.command(sample)
app.command(compare)

_MOST_DAYS = 400
_MOST_SHOWN = 1000

_Name = Annotated[str, Parameter(help="Its name, as list tells it.")]


@app.command(name="list")
def list_(*, data_dir: DataDir = DEFAULT_DATA_DIR, config: ConfigFile = None, json: AsJson = False) -> None:
    """List the agreements in force with what each came to last."""
    from mainstem.runtime.wiring import connect_runtime

    with connect_runtime(data_dir, config) as runtime:
        told = [_told(runtime, one, days=1) for one in runtime.agreements()]
    if json:
        print(msgspec.json.encode(told).decode())
        return
    if not told:
        print("No agreement is in force. Declare one in agreements/: docs/guides/agreement.md", file=sys.stderr)
    for one in told:
        print(f"{one['name']}  {_sides(one)}: {_rate(one['latest'])}")
        if one["problem"]:
            print(f"  not compared: {one['problem']}")


@app.command
def check(
    name: _Name, /, *, data_dir: DataDir = DEFAULT_DATA_DIR, config: ConfigFile = None, json: AsJson = False
) -> None:
    """Compare the two systems now, keep what it comes to, and show it. The scheduler does so every quarter of an hour."""
    from mainstem.quality.agreements import evaluate_now
    from mainstem.runtime.wiring import connect_runtime

    with connect_runtime(data_dir, config) as runtime:
        one = _find(runtime, name)
        evaluate_now(runtime.agreement_parts, one, runtime.clock.wall())
        told = _told(runtime, one, days=1)
    print(msgspec.json.encode(told).decode()) if json else _print(told)


@app.command
def show(
    name: _Name,
    /,
    *,
    days: Annotated[
        int, Parameter(help="So many days up to today.", validator=validators.Number(gte=1, lte=_MOST_DAYS))
    ] = 28,
    limit: Annotated[
        int, Parameter(help="So many entities at most.", validator=validators.Number(gte=0, lte=_MOST_SHOWN))
    ] = 20,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Show what an agreement came to, day by day, and the entities that differ. Values are shown only where none is personal."""
    from mainstem.processing import reference_ids
    from mainstem.quality.agreements import read_differences, told_differences
    from mainstem.runtime.wiring import connect_runtime

    with connect_runtime(data_dir, config) as runtime:
        one = _find(runtime, name)
        told = _told(runtime, one, days=days)
        with runtime.database.snapshot() as conn:
            total, differences = read_differences(conn, name, one.version, kind=None, limit=limit)
            told["differences"] = told_differences(
                differences,
                one.agreement,
                runtime.registry,
                lambda refs: reference_ids(conn, runtime.keyring.sealer, refs),
            )
    told["differences_total"] = total
    if json:
        print(msgspec.json.encode(told).decode())
        return
    _print(told)
    for day in told["days"]:
        print(f"{day['day']}  {_rate(day)}")
    for each in told["differences"]:
        print(_difference(each))
    if total > len(differences):
        print(f"{total - len(differences):,} more are kept: --limit", file=sys.stderr)


def _find(runtime: Runtime, name: str) -> InForce:
    from mainstem.hints import near_miss

    known: Sequence[InForce] = runtime.agreements()
    for one in known:
        if one.agreement.name == name:
            return one
    raise ConfigurationError(
        f"No agreement {name!r} is in force.",
        where="agreement",
        hint=near_miss(name, [one.agreement.name for one in known]),
    )


def _told(runtime: Runtime, one: InForce, *, days: int) -> dict[str, Any]:
    """As the API tells it; what it came to last is told however long ago that was."""
    from mainstem.quality.agreements import read_runs, told_agreement

    today = runtime.clock.wall().astimezone(dt.UTC).date()
    with runtime.database.snapshot() as conn:
        runs = read_runs(conn, today - dt.timedelta(days=_MOST_DAYS), today).get(one.agreement.name, ())
    told = told_agreement(one, runs, runtime.registry)
    told["days"] = told["days"][-days:]
    return told


def _sides(one: dict[str, Any]) -> str:
    left, right = (f"{one[side]['source']}.{one[side]['stream']}" for side in ("left", "right"))
    truth = {"left": f", {left} is the truth", "right": f", {right} is the truth"}.get(one["truth"], "")
    return f"{left} and {right}{truth}"


def _rate(figures: dict[str, Any] | None) -> str:
    if figures is None:
        return "not compared yet"
    if figures["value"] is None:
        return "nothing to compare"
    between = figures["interval"]
    return f"{figures['value']:.2%} agree ({between.low:.2%} to {between.high:.2%}), {figures['of']:,} compared"


def _print(told: dict[str, Any]) -> None:
    print(f"{told['label']}: {_sides(told)}")
    if told["problem"]:
        print(f"not compared: {told['problem']}")
    latest = told["latest"]
    print(_rate(latest))
    if latest is None:
        return
    for name in ("left", "right"):
        side = latest[name]
        parts = ", ".join(f"{side[part]:,} {part}" for part in ("matched", "only", "ambiguous", "unkeyed", "unsettled"))
        print(f"{told[name]['source']}.{told[name]['stream']}: {side['total']:,} entities ({parts})")
    for one in latest["compared"]:
        missing = f"missing {one['missing_left']:,} left, {one['missing_right']:,} right"
        print(f"  {one['left']} and {one['right']}: {_rate(one)}; {one['differing']:,} differ, {missing}")


def _difference(one: dict[str, Any]) -> str:
    refs = " and ".join(one[f"{side}_id"] or one[side] for side in ("left", "right") if one[side])
    names = one["attributes"]
    of = "" if names is None else f" {names['left']}/{names['right']}"
    values = [one["left_value"], one["right_value"]]
    said = "" if values == [None, None] else f": {' | '.join('-' if value is None else value for value in values)}"
    return f"{one['changed_at']:%Y-%m-%d %H:%M}  {one['kind']}{of}  {refs}{said}"
