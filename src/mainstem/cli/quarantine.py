"""`mainstem quarantine`: why records were set aside, and what to do about it."""

from __future__ import annotations

import getpass
import json as json_format
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter, validators

from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.options import DEFAULT_DATA_DIR, AsJson, ConfigFile, DataDir
from mainstem.cli.quarantine_printing import causes_as_rows, print_causes, print_entries, print_entry, report
from mainstem.errors import ConfigurationError

if TYPE_CHECKING:
    from mainstem.contracts import Contract
    from mainstem.processing import Outcome, QuarantineSelection
    from mainstem.runtime.wiring import Runtime

__all__ = ["app"]

app = App(
    name="quarantine", help="Look into quarantine; fix, release, replay and dismiss records.", help_format="plaintext"
)

_PATIENCE = 120.0
# As many are read into memory.
_MOST_LISTED = 100_000

_Source = Annotated[str | None, Parameter(help="Only of this source.")]
_Stream = Annotated[str | None, Parameter(help="Only of this stream.")]
_Reason = Annotated[str | None, Parameter(name="--reason", help="Only with this reason, as list names it.")]
_Ids = Annotated[tuple[uuid.UUID, ...], Parameter(name="--id", negative="", help="Only this record; repeat for more.")]
_State = Annotated[
    Literal["quarantined", "held"] | None, Parameter(help="Only quarantined ones, or held ones; without it both.")
]
_Load = Annotated[uuid.UUID | None, Parameter(help="A whole load that was held, by its id, and nothing else.")]
_All = Annotated[bool, Parameter(name="--all", negative="", help="All there are.")]
_Why = Annotated[str, Parameter(name="--why", help="Why, for the record's history. No personal data, please.")]


@app.command(name="list")
def list_(
    *,
    source: _Source = None,
    stream: _Stream = None,
    reason: _Reason = None,
    state: _State = None,
    records: Annotated[bool, Parameter(negative="", help="Single records instead of causes.")] = False,
    limit: Annotated[
        int, Parameter(help="Of single records: at most so many.", validator=validators.Number(gte=1, lte=_MOST_LISTED))
    ] = 50,
    before: Annotated[uuid.UUID | None, Parameter(help="Of single records: those that follow this one.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """List what waits for a decision, by cause, the most frequent first."""
    from mainstem.processing import QuarantineSelection, read_causes, read_entries, read_entry
    from mainstem.runtime.wiring import connect_runtime

    selection = QuarantineSelection(source, stream, reason, states=_states(state))
    with connect_runtime(data_dir, config) as runtime, runtime.database.snapshot() as conn:
        if records:
            last = None if before is None else read_entry(conn, before)
            after = None if last is None else (last.received_at, last.id)
            print_entries(read_entries(conn, selection, limit=limit, after=after), as_json=json)
            return
        causes = read_causes(conn, selection)
        active = {(one.source, one.stream): runtime.registry.active(one.source, one.stream) for one in causes}
    owners = {stream: () if contract is None else contract.owners for stream, contract in active.items()}
    if json:
        print(json_format.dumps(causes_as_rows(causes, owners)))
        return
    print_causes(causes, owners)
    versions = {stream: contract.version for stream, contract in active.items() if contract is not None}
    if any(versions.get((one.source, one.stream), one.contract_version) != one.contract_version for one in causes):
        print(
            "Another contract is in force for some of them now. What is wrong with them under it: "
            "mainstem quarantine replay --dry-run --all"
        )


@app.command
def show(
    record: Annotated[uuid.UUID, Parameter(help="Its id, as list --records names it.")],
    /,
    *,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Show one record: its untouched payload, what is wrong with it, and what was decided."""
    from mainstem.processing import read_history
    from mainstem.runtime.wiring import connect_runtime

    with connect_runtime(data_dir, config) as runtime:
        entry, content = runtime.quarantine.record(record)
        with runtime.database.autocommit() as conn:
            history = read_history(conn, record)
        owners = runtime.quarantine.owners_of(entry.source, entry.stream)
    print_entry(entry, content, history, owners, as_json=json)


@app.command
def fix(
    record: Annotated[uuid.UUID, Parameter(help="Its id.")],
    /,
    *,
    file: Annotated[Path | None, Parameter(help="The whole corrected payload, a JSON object.")] = None,
    set_: Annotated[
        tuple[str, ...],
        Parameter(
            name="--set", negative="", help="path=value: change one field; value as JSON, else text; null removes."
        ),
    ] = (),
    release: Annotated[
        bool, Parameter(negative="", help="It is right now: no check that holds stands in its way.")
    ] = False,
    dry_run: Annotated[
        bool, Parameter(negative="", help="Only say whether it would pass, and what is wrong if not.")
    ] = False,
    why: _Why = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    json: AsJson = False,
) -> ExitCode:
    """Have a record take effect as corrected, under the day on which it was received.

    The corrected payload goes through the contract in force. Exit status 1: it does not pass, and nothing was decided.
    """
    from mainstem.processing import Author, merge_patch
    from mainstem.runtime.wiring import connect_runtime

    if (file is None) == (not set_):
        raise ConfigurationError("give either --file or --set.", where="fix")
    with connect_runtime(data_dir, config) as runtime:
        if file is not None:
            payload = _read(file)
        else:
            payload = merge_patch(runtime.quarantine.record(record)[1].payload, _patch(set_))
        if dry_run:
            outcome, applied = runtime.quarantine.try_fix(record, payload, release=release), True
        else:
            with runtime.door:
                outcome = runtime.quarantine.fix(record, payload, Author(_user(), why), release=release)
                applied = runtime.await_effect(outcome.heads, _PATIENCE)
    report("preview" if dry_run else "fixed", outcome, applied=applied, as_json=json)
    return ExitCode.FAILED if outcome.failing else ExitCode.OK


@app.command(name="release")
def release_(
    *ids: Annotated[uuid.UUID, Parameter(help="Records by id; else name a --load, --source, --stream or --held-by.")],
    load: _Load = None,
    source: _Source = None,
    stream: _Stream = None,
    held_by: Annotated[
        tuple[str, ...], Parameter(negative="", help="Only those that exactly this check holds; repeat for more.")
    ] = (),
    all_: Annotated[bool, Parameter(name="--all", negative="", help="All that are held.")] = False,
    why: _Why = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    json: AsJson = False,
) -> ExitCode:
    """Have held records take effect as they stand, because they are right.

    Only what held them is passed over, and the decision names it: every other check of the contract that they came under
    holds. A load that is held is released as a whole, by --load alone. One that is in quarantine can be meant by id; it goes through the contract in force, but for what would hold it.
    Exit status 1: some do not pass, and stay; why is told. Doing it again changes nothing.
    """
    from mainstem.processing import Author, QuarantineSelection
    from mainstem.runtime.wiring import connect_runtime

    selection = QuarantineSelection(source, stream, held_by=held_by or None, load=load, ids=ids)
    _chosen("release", selection, everything=all_)
    with connect_runtime(data_dir, config) as runtime, runtime.door:
        outcome = runtime.quarantine.release(selection, Author(_user(), why))
        applied = runtime.await_effect(outcome.heads, _PATIENCE)
    report("released", outcome, applied=applied, as_json=json, load=load)
    return ExitCode.FAILED if outcome.failing else ExitCode.OK


@app.command
def replay(
    *,
    source: _Source = None,
    stream: _Stream = None,
    reason: _Reason = None,
    state: _State = None,
    id_: _Ids = (),
    all_: _All = False,
    dry_run: Annotated[
        bool, Parameter(negative="", help="Only say how many would pass, and why the others not.")
    ] = False,
    contract: Annotated[Path | None, Parameter(help="With --dry-run: as if this file were in force.")] = None,
    why: _Why = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Put records through the contract in force now; those that pass take effect with their content unchanged.

    Those that do not pass stay, and what is wrong with them now is told. Doing it again changes nothing.
    """
    from mainstem.contracts import read_contract
    from mainstem.processing import Author, QuarantineSelection
    from mainstem.runtime.wiring import connect_runtime

    if contract is not None and not dry_run:
        raise ConfigurationError(
            "a contract that is not in force can only be tried.", where="replay", hint="Add --dry-run."
        )
    selection = QuarantineSelection(source, stream, reason, ids=id_, states=_states(state))
    if contract is None:
        _chosen("replay", selection, everything=all_)
    with connect_runtime(data_dir, config) as runtime:
        if dry_run:
            tried = None if contract is None else read_contract(_text(contract), str(contract))
            outcome = _previewed(runtime, selection, tried, quiet=json)
            report("preview", outcome, applied=True, as_json=json)
            return
        with runtime.door:
            outcome = runtime.quarantine.replay(selection, Author(_user(), why))
            applied = runtime.await_effect(outcome.heads, _PATIENCE)
    report("replayed", outcome, applied=applied, as_json=json)


@app.command
def dismiss(
    *ids: Annotated[uuid.UUID, Parameter(help="Records by id; else name a --source, --stream or --cause.")],
    reason: Annotated[str, Parameter(help="Why they are given up. No personal data, please.")],
    source: _Source = None,
    stream: _Stream = None,
    cause: Annotated[str | None, Parameter(help="Only with this reason, as list names it.")] = None,
    load: _Load = None,
    state: _State = None,
    all_: _All = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Give records up. They stay counted as quarantined or held, and can still be fixed or released by id."""
    from mainstem.processing import Author, QuarantineSelection
    from mainstem.runtime.wiring import connect_runtime

    if not reason.strip():
        raise ConfigurationError("say why.", where="dismiss", hint="Give --reason TEXT.")
    selection = QuarantineSelection(source, stream, cause, load=load, ids=ids, states=_states(state))
    _chosen("dismiss", selection, everything=all_)
    with connect_runtime(data_dir, config) as runtime, runtime.door:
        outcome = runtime.quarantine.dismiss(selection, Author(_user(), reason))
        applied = runtime.await_effect(outcome.heads, _PATIENCE)
    report("dismissed", outcome, applied=applied, as_json=json, load=load)


def _previewed(runtime: Runtime, selection: QuarantineSelection, tried: Contract | None, *, quiet: bool) -> Outcome:
    """The preview, waited for with its progress on standard error."""
    from rich.console import Console
    from rich.progress import Progress

    from mainstem.processing import count_entries

    meant = selection if tried is None else runtime.quarantine.tried_on(selection, tried)
    with runtime.database.autocommit() as conn:
        total = count_entries(conn, meant.meant_by("preview"))
    with Progress(console=Console(stderr=True), disable=quiet or not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task("Looking at records", total=total)
        return runtime.quarantine.preview(selection, tried, progress=lambda done: progress.update(task, completed=done))


def _states(state: str | None) -> tuple[str, ...]:
    from mainstem.processing import OPEN

    return OPEN if state is None else (state,)


def _chosen(verb: str, selection: QuarantineSelection, *, everything: bool) -> None:
    """Raise ConfigurationError where everything is meant and not said, or a part of a load."""
    from mainstem.processing import QuarantineSelection

    if selection.load is not None and selection != QuarantineSelection(load=selection.load):
        raise ConfigurationError(
            "a load is decided about as a whole.", where=f"quarantine {verb}", hint="Give --load alone."
        )
    if everything != (selection == QuarantineSelection()):
        raise ConfigurationError(
            "say which records: --source, --stream, a reason or ids; or --all.", where=f"quarantine {verb}"
        )


def _read(path: Path) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"it cannot be read: {error.strerror}.", where=str(path)) from error


def _text(path: Path) -> str:
    try:
        return _read(path).decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError("it cannot be read: it is not text in UTF-8.", where=str(path)) from error


def _patch(changes: tuple[str, ...]) -> dict[str, object]:
    """The merge patch that `a.b=value` stands for."""
    patch: dict[str, object] = {}
    for change in changes:
        path, found, text = change.partition("=")
        if not found or not path:
            raise ConfigurationError(f"{change!r} is no path=value.", where="--set", hint="As: --set visitor.plan=free")
        value = _json_or_text(text)
        *steps, last = path.split(".")
        inner = patch
        for step in steps:
            deeper = inner.setdefault(step, {})
            if not isinstance(deeper, dict):
                raise ConfigurationError(f"{path!r} lies in a field that is set as a whole.", where="--set")
            inner = deeper
        inner[last] = value
    return patch


def _json_or_text(text: str) -> object:
    """JSON as it stands, so that no digit is lost; None for null; what is no JSON is a text."""
    import msgspec

    raw = text.strip().encode(errors="replace")
    try:
        msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return text
    return None if raw == b"null" else msgspec.Raw(raw)


def _user() -> str:
    return f"command:{getpass.getuser()}"
