"""Tools of others that judge rows, in an environment of their own: what they need would not fit beside ours."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["judged_by_peers"]

_SCRIPT = Path(__file__).parent / "peer_checks.py"
_PYTHON = Path(__file__).parents[1] / ".venv-peers" / "bin" / "python"


def judged_by_peers(rows: pa.Table, rules: int) -> Mapping[str, float]:
    """Rows a second by tool, for that many of the rules of `checks`; nothing, with a word, where the tools are not there.

    Raises RuntimeError when a tool fails.
    """
    if not _PYTHON.exists():
        sys.stderr.write("  the peers are not installed: make .venv-peers/.installed\n")
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        pq.write_table(rows, path)
        run = subprocess.run(
            [_PYTHON, _SCRIPT, path, str(rules)], capture_output=True, text=True, check=False, cwd=folder
        )
    if run.returncode:
        raise RuntimeError(f"A peer failed: {run.stderr[-2_000:]}")
    told: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return told
