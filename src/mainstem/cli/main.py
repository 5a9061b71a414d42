"""The entry point: finds the verb, runs it, and turns what ended it into one line and an exit status.

Verbs are named here and imported when they are used, so that `--help` answers at once.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from mainstem import __version__
from mainstem.cli.exit_codes import ExitCode, exit_code
from mainstem.errors import MainstemError

__all__ = ["app", "main"]

_VERBS = {
    "demo": ("demo:demo", "Replay real usage data and show it on a live dashboard."),
    "up": ("up:up", "Run Mainstem: all roles and, unless you name one, the database."),
    "serve": ("serve:serve", "Run the API and the dashboard alone."),
    "work": ("work:work", "Run a worker alone."),
    "keep": ("keep:keep", "Run a lake writer and a scorer alone."),
    "schedule": ("schedule:schedule", "Run the scheduler alone."),
    "activate": ("activate:activate", "Put contracts, metrics, health models and agreements into force."),
    "contract": ("contract:app", "Check, show, compare, draft and evolve contracts; list drift."),
    "load": ("load:load", "Load files into a stream."),
    "log": ("log:app", "The event log: how it stands, its number of partitions."),
    "quarantine": ("quarantine:app", "Look into quarantine; fix, replay and dismiss its records."),
    "anomalies": ("anomalies:app", "Look at what is far from what was expected; mute what is known."),
    "agreement": ("agreement:app", "Compare systems and samples with what is held; how accurate fields are."),
    "lake": ("lake_command:app", "The raw lake: list, verify, compact."),
    "rebuild": ("rebuild:app", "Make the analytics database anew from the raw lake."),
    "apikey": ("apikey:app", "Create, list and revoke API keys."),
    "user": ("user:app", "Create, list and disable the accounts of the dashboard."),
    "config": ("config:app", "Check and show the configuration."),
    "database": ("database:app", "Look at the database, bring its tables up to date."),
    "keys": ("keys:app", "Back up, bring back and rotate the installation's keys."),
}

app = App(
    name="mainstem",
    help="One governed stream of customer data, and health scores that explain themselves.",
    version=__version__,
    # Markdown costs a tenth of a second to import and is not used in the verbs' help.
    help_format="plaintext",
)
for _name, (_path, _help) in _VERBS.items():
    app.command(f"mainstem.cli.{_path}", name=_name, help=_help)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    try:
        result = app(arguments, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        # Printed already, with the usage.
        return ExitCode.USAGE
    except MainstemError as error:
        print(f"mainstem: {error}", file=sys.stderr)
        return exit_code(error)
    except PermissionError as error:
        print(f"mainstem: {error.filename}: {error.strerror}.", file=sys.stderr)
        return ExitCode.DENIED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Exception:  # noqa: BLE001 - a defect of ours, and its status is ours to choose
        traceback.print_exc()
        return ExitCode.INTERNAL
    return int(result) if isinstance(result, int) else ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
