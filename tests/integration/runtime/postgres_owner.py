"""A process that runs an embedded PostgreSQL until it is told, or made, to end: `postgres_owner.py DATA_DIR SETTINGS`.

It prints one JSON line when the server answers, and stops it when its standard input closes.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from mainstem.errors import MainstemError
from mainstem.runtime.logs import configure_logging
from mainstem.runtime.postgres import EmbeddedPostgres
from mainstem.runtime.settings import DatabaseSettings, RuntimeSettings


def main() -> int:
    configure_logging(RuntimeSettings(log_format="json"), "owner")
    server = EmbeddedPostgres(Path(sys.argv[1]), DatabaseSettings.model_validate_json(sys.argv[2]))
    try:
        server.start()
    except MainstemError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    assert server.process is not None
    assert server.guardian is not None
    found = {
        "dsn": server.dsn,
        "home": str(server.home.path),
        "server": dataclasses.asdict(server.process),
        "guardian": dataclasses.asdict(server.guardian),
    }
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
