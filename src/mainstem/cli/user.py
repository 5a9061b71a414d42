"""`mainstem user`: the accounts of people who sign in to the dashboard."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from mainstem.access import Role
from mainstem.cli.options import DEFAULT_DATA_DIR, AsJson, ConfigFile, DataDir
from mainstem.cli.secret import read_secret
from mainstem.errors import NotFoundError

__all__ = ["app"]

app = App(name="user", help="Create, list and disable the accounts of the dashboard.", help_format="plaintext")

PasswordFile = Annotated[
    Path | None,
    Parameter(
        name="--password-file",
        allow_leading_hyphen=True,
        help="File whose first line is the password ('-': standard input); else it is asked for.",
    ),
]


@app.command
def create(
    name: str,
    *,
    role: Annotated[Role, Parameter(help="What the user may do.")],
    password_file: PasswordFile = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
) -> None:
    """Create an account."""
    from mainstem.runtime.control_copy import copy_control
    from mainstem.runtime.wiring import connect_runtime

    password = read_secret("password", password_file, again=True)
    with connect_runtime(data_dir, config) as runtime:
        runtime.users.create(name, password, role)
        copy_control(runtime)
    print(f"{name} may sign in now, as {role.value}.")


@app.command
def password(
    name: str,
    *,
    password_file: PasswordFile = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
) -> None:
    """Set another password; the user's sessions end."""
    from mainstem.runtime.control_copy import copy_control
    from mainstem.runtime.wiring import connect_runtime

    secret = read_secret("password", password_file, again=True)
    with connect_runtime(data_dir, config) as runtime:
        if not runtime.users.set_password(name, secret):
            raise NotFoundError(f"There is no user {name!r}.")
        copy_control(runtime)
    print(f"{name} has a new password; sessions begun with the old one have ended.")


@app.command
def disable(name: str, *, data_dir: DataDir = DEFAULT_DATA_DIR, config: ConfigFile = None) -> None:
    """Let a user sign in no more; the user's sessions end."""
    from mainstem.runtime.control_copy import copy_control
    from mainstem.runtime.wiring import connect_runtime

    with connect_runtime(data_dir, config) as runtime:
        if not runtime.users.disable(name):
            raise NotFoundError(f"There is no user {name!r}.")
        copy_control(runtime)
    print(f"{name} may sign in no more.")


@app.command(name="list")
def list_users(*, json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR, config: ConfigFile = None) -> None:
    """List all accounts."""
    from mainstem.runtime.wiring import connect_runtime

    with connect_runtime(data_dir, config) as runtime:
        accounts = runtime.users.list()
    if json:
        rows = [{"name": one.name, "role": one.role.value, "disabled": one.disabled} for one in accounts]
        print(json_format.dumps(rows))
        return
    for one in accounts:
        print(f"{one.name}  {one.role.value}{'  disabled' if one.disabled else ''}")
