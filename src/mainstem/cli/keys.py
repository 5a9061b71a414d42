"""`mainstem keys`: export, import, rotate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from mainstem.cli.options import DEFAULT_DATA_DIR, DataDir
from mainstem.cli.secret import read_secret

__all__ = ["app"]

app = App(name="keys", help="Back up, bring back and rotate the installation's keys.", help_format="plaintext")

PassphraseFile = Annotated[
    Path | None,
    Parameter(
        name="--passphrase-file",
        allow_leading_hyphen=True,
        help="File whose first line is the passphrase ('-': standard input); else it is asked for.",
    ),
]


@app.command
def export(file: Path, *, data_dir: DataDir = DEFAULT_DATA_DIR, passphrase_file: PassphraseFile = None) -> None:
    """Write all keys into one file that only a passphrase opens. Keep it away from the data.

    Parameters
    ----------
    file
        The file to write; it must not exist.
    """
    from mainstem.privacy import Keyring
    from mainstem.runtime.folders import keys_folder

    keyring = Keyring.open(keys_folder(data_dir))
    keyring.export_to(file, read_secret("passphrase", passphrase_file, again=True))
    print(f"The keys are in {file}.")


@app.command(name="import")
def import_(file: Path, *, data_dir: DataDir = DEFAULT_DATA_DIR, passphrase_file: PassphraseFile = None) -> None:
    """Put exported keys into a data folder that has none.

    Parameters
    ----------
    file
        What `mainstem keys export` wrote.
    """
    from mainstem.privacy import Keyring
    from mainstem.runtime.folders import keys_folder, make_data_folder

    passphrase = read_secret("passphrase", passphrase_file, again=False)
    folder = keys_folder(make_data_folder(data_dir))
    Keyring.import_from(file, folder, passphrase)
    print(f"The keys are in {folder}.")


@app.command
def rotate(*, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Seal with a new key from now on; running processes notice. Export the keys again afterwards."""
    from mainstem.privacy import Keyring
    from mainstem.runtime.folders import keys_folder

    Keyring.open(keys_folder(data_dir)).rotate()
    print("A new sealing key is in use. Your backup of the keys is out of date: export them again.")
