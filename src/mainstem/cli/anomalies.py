"""`mainstem anomalies`: what is far from what was expected, and muting what is known."""

from __future__ import annotations

import dataclasses
import datetime as dt
import getpass
import json as json_format
import sys
import uuid
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from mainstem.cli.options import DEFAULT_DATA_DIR, AsJson, ConfigFile, DataDir
from mainstem.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainstem.quality.anomalies import Anomaly, Mute, Signal

__all__ = ["app"]

app = App(
    name="anomalies",
    help="Look at days and streams that are far from what was expected of them; mute what is known.",
    help_format="plaintext",
)

_MOST_DAYS = 10_000

_Source = Annotated[str | None, Parameter(help="Only of this source.")]
_Stream = Annotated[str | None, Parameter(help="Only of this stream.")]
_Name = Annotated[str | None, Parameter(name="--name", help="Only of this field or metric.")]
_Signal = Annotated[
    str | None,
    Parameter(name="--signal", help="Only volume, missing, invalid, repeated, late, metric or freshness."),
]


@app.command(name="list")
def list_(
    *,
    source: _Source = None,
    stream: _Stream = None,
    name: _Name = None,
    days: Annotated[int, Parameter(help="Of so many days up to today.")] = 28,
    running: Annotated[bool, Parameter(negative="", help="Only those that have not ended.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """List anomalies, the latest first, and the mutes in force."""
    from mainstem.quality import QualityQuery
    from mainstem.quality.anomalies import read_anomalies, read_mutes
    from mainstem.runtime.wiring import connect_runtime

    if not 1 <= days <= _MOST_DAYS:
        raise ConfigurationError(f"Days are 1 to {_MOST_DAYS:,}.", where="--days")
    with connect_runtime(data_dir, config) as runtime, runtime.database.snapshot() as conn:
        today = runtime.clock.data().astimezone(dt.UTC).date()
        query = QualityQuery(today - dt.timedelta(days=days - 1), today, source, stream, name)
        found = read_anomalies(conn, query, running=running)
        mutes = read_mutes(conn, runtime.clock.wall())
    if json:
        rows = [{**_row(one), "muted": any(mute.covers(one) for mute in mutes)} for one in found]
        print(json_format.dumps({"anomalies": rows, "mutes": [_row(mute) for mute in mutes]}))
        return
    _print(found, mutes)


@app.command
def mute(
    *,
    until: Annotated[dt.datetime, Parameter(help="When it is told again (UTC without an offset); within 400 days.")],
    why: Annotated[str, Parameter(help="Why, for whoever wonders later. No personal data, please.")],
    signal: _Signal = None,
    source: _Source = None,
    stream: _Stream = None,
    name: _Name = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Do not tell anomalies that agree with everything given; they are found and listed all the same."""
    from mainstem.quality.anomalies import Mute, add_mute
    from mainstem.runtime.wiring import connect_runtime

    if not why.strip():
        raise ConfigurationError("Say why.", where="--why")
    until = until.replace(tzinfo=dt.UTC) if until.tzinfo is None else until
    made = Mute(until, why, getpass.getuser(), _signal(signal), source, stream, name)
    with connect_runtime(data_dir, config) as runtime:
        add_mute(runtime.database, made, runtime.clock.wall())
    made = dataclasses.replace(made, until=until.astimezone(dt.UTC))
    print(json_format.dumps(_row(made)) if json else f"muted until {made.until:%Y-%m-%d %H:%M} UTC: {made.id}")


@app.command
def unmute(
    mute_id: Annotated[uuid.UUID, Parameter(name="mute", help="Its id, as list names it.")],
    /,
    *,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
) -> None:
    """End a mute before its time."""
    from mainstem.quality.anomalies import end_mute
    from mainstem.runtime.wiring import connect_runtime

    with connect_runtime(data_dir, config) as runtime:
        ended = end_mute(runtime.database, mute_id, runtime.clock.wall())
    if not ended:
        raise ConfigurationError(
            f"No mute {mute_id} is in force.", where="unmute", hint="List them: mainstem anomalies list"
        )
    print("told again from now on")


def _signal(name: str | None) -> Signal | None:
    from mainstem.hints import near_miss
    from mainstem.quality.anomalies import Signal

    words = [str(one) for one in Signal]
    if name is not None and name not in words:
        raise ConfigurationError(f"{name!r} is no signal.", where="--signal", hint=near_miss(name, words))
    return None if name is None else Signal(name)


def _row(one: Anomaly | Mute) -> dict[str, Any]:
    row = dataclasses.asdict(one)
    return {
        name: value.isoformat()
        if isinstance(value, dt.datetime)
        else str(value)
        if isinstance(value, uuid.UUID)
        else value
        for name, value in row.items()
    }


def _print(found: Sequence[Anomaly], mutes: Sequence[Mute]) -> None:
    if not found:
        print("Nothing is far from what was expected.")
    for one in found:
        of = ".".join(part for part in one.subject if part)
        state = "" if one.ended_at is None else f"  (ended {one.ended_at:%Y-%m-%d %H:%M})"
        print(f"{one.at:%Y-%m-%d %H:%M}  {one.tier:<5}  {one.signal} {of}: {_numbers(one)}{state}")
    for mute in mutes:
        asked = [str(one) for one in (mute.signal, mute.source, mute.stream, mute.name) if one is not None]
        what = " ".join(asked) or "everything"
        print(f"muted until {mute.until:%Y-%m-%d %H:%M} UTC: {what} ({mute.why})  {mute.id}", file=sys.stderr)


def _numbers(one: Anomaly) -> str:
    """The value and its band, in the signal's unit."""
    from mainstem.quality.anomalies import Signal

    match one.signal:
        case Signal.FRESHNESS:
            return f"nothing for {one.value / 3600:,.1f} h, at most {one.high / 3600:,.1f} h expected"
        case Signal.VOLUME | Signal.METRIC:
            return f"{one.value:,.6g}, {one.low:,.6g} to {one.high:,.6g} expected"
        case _:
            return f"{one.value:.1%}, {one.low:.1%} to {one.high:.1%} expected"
