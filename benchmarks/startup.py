"""From the command to a dashboard that answers with data: new, and again; and how soon small commands answer.

Beside the first two stands PostgreSQL alone: `initdb` and a start, and a start. Beside the commands stands a Python that
does nothing. Libraries are in the file cache, as on the second day of use.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from benchmarks.recipe import Figure
from mainstem.runtime.postgres import EmbeddedPostgres
from mainstem.runtime.settings import DatabaseSettings
from mainstem.runtime.state import running_state
from mainstem.testing.tree import free_port

__all__ = ["run"]

_PATIENCE = 120.0
_MAINSTEM = (sys.executable, "-m", "mainstem.cli.main")


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="mainstem-bench-") as folder:
        home = Path(folder)
        home.chmod(0o711)
        settings = DatabaseSettings(system_folder=home / "system")
        bare_new, bare_again = _postgres(home / "bare", settings), _postgres(home / "bare", settings)
        new, ready, key = _demo(home)
        yield _seconds(
            "first dashboard with data, `mainstem demo` on a new folder", new, 60, "initdb and start", bare_new
        )
        yield _seconds("every role ready, `mainstem demo` on a new folder", ready, None, "initdb and start", bare_new)
        again = _again(home, key)
        yield _seconds("dashboard with data again, `mainstem up`", again, 60, "start of PostgreSQL", bare_again)
    nothing = _best(sys.executable, "-c", "pass")
    yield _seconds("mainstem --help", _best(*_MAINSTEM, "--help"), None, "Python that does nothing", nothing)


def _seconds(name: str, value: float, must: float | None, limit: str, limit_value: float) -> Figure:
    return Figure(name, value, "s", must, limit, limit_value, higher_is_better=False)


def _postgres(folder: Path, settings: DatabaseSettings) -> float:
    """Seconds until the embedded server alone takes connections."""
    folder.mkdir(exist_ok=True)
    server = EmbeddedPostgres(folder, settings)
    began = time.monotonic()
    server.start()
    took = time.monotonic() - began
    server.stop()
    return took


def _demo(home: Path) -> tuple[float, float, str]:
    """Seconds until the demo's dashboard shows customers, until its roles were ready, and an API key."""
    data, port = home / "data", free_port()
    began = time.monotonic()
    with _running(home, "demo", "--data-dir", str(data), "--port", str(port)) as process:
        password = _password(process)
        ready = time.monotonic() - began
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as browser:
            answer = browser.post("/api/v1/auth/sign-in", json={"name": "demo", "password": password})
            answer.raise_for_status()
            _wait_for_customers(browser)
            shown = time.monotonic() - began
        made = subprocess.run(
            [*_MAINSTEM, "apikey", "create", "bench", "--role", "viewer", "--json", "--data-dir", str(data)],
            capture_output=True,
            check=True,
        )
        _end(process)
    return shown, ready, str(json.loads(made.stdout)["key"])


def _again(home: Path, key: str) -> float:
    """Seconds until the same folder's dashboard answers again."""
    data, port = home / "data", free_port()
    began = time.monotonic()
    with _running(home, "up", "--data-dir", str(data), "--port", str(port)) as process:
        while (state := running_state(data)) is None or not state.ready:
            _still(process, began)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}) as browser:
            _wait_for_customers(browser)
        took = time.monotonic() - began
        _end(process)
    return took


def _running(home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*_MAINSTEM, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "MAINSTEM_DATABASE__SYSTEM_FOLDER": str(home / "system"),
            "MAINSTEM_RUNTIME__LOG_LEVEL": "warning",
        },
    )


def _password(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip().startswith("Sign in"):
            return line.rpartition("/")[2].strip()
    raise AssertionError(f"mainstem demo ended with {process.wait()}")


def _wait_for_customers(browser: httpx.Client) -> None:
    began = time.monotonic()
    while browser.get("/api/v1/analytics/overview").raise_for_status().json()["data"]["counts"]["customers"] == 0:
        assert time.monotonic() - began < _PATIENCE, "The dashboard shows no customer."
        time.sleep(0.02)


def _still(process: subprocess.Popen[str], began: float) -> None:
    assert process.poll() is None, f"mainstem ended with {process.returncode}"
    assert time.monotonic() - began < _PATIENCE, "mainstem is not ready."
    time.sleep(0.02)


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


def _best(*command: str) -> float:
    """Seconds of a command, the best of five runs."""
    times = []
    for _ in range(5):
        began = time.monotonic()
        subprocess.run(command, capture_output=True, check=True)
        times.append(time.monotonic() - began)
    return min(times)
