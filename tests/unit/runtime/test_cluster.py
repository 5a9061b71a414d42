from __future__ import annotations

from mainstem.runtime.cluster import why_ended

HEAD = "2026-11-26 13:57:02.319 UTC [29191] "
BEFORE = [
    "FATAL:  could not open file: Permission denied",
    "LOG:  starting PostgreSQL 18.6 on x86_64-pc-linux-gnu",
    "FATAL:  the database system is starting up",
]
AFTER = ["LOG:  terminating any other active server processes", "LOG:  database system is shut down"]


def log(*lines: str) -> str:
    return "".join(f"{HEAD}{line}\n" for line in lines)


def test_why_a_server_ended_is_what_it_called_fatal_since_it_was_started() -> None:
    full = 'FATAL:  could not extend file "base/16387/16890": No space left on device'
    assert why_ended(log(*BEFORE, full, "LOG:  startup process exited with exit code 1", *AFTER)) == full
    assert why_ended(log(*BEFORE, *AFTER)).endswith("LOG:  database system is shut down")
    assert why_ended("") == "it said nothing"
