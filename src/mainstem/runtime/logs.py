"""Logging: structlog for us, the standard library's for others, one stream, one form."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from mainstem.runtime.settings import RuntimeSettings

__all__ = ["configure_logging"]

# uvicorn tells of requests and sockets with their whole address, in which customers' ids stand.
_QUIET = ("alembic", "uvicorn.access", "uvicorn.error", "asyncio")


def configure_logging(settings: RuntimeSettings, role: str, stream: TextIO | None = None) -> None:
    """Send what this process logs to standard error, each line with the role's name.

    Console lines on a terminal, JSON elsewhere, unless the settings say otherwise. A stream that breaks (a closed
    terminal, a full disk) costs the line and nothing else.
    """
    stream = stream or sys.stderr
    console = settings.log_format == "console" or (settings.log_format == "auto" and stream.isatty())

    def with_role(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("role", role)
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        with_role,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        # Without the values of variables, which a prettier traceback would show: they are records, and keys.
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if console
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([] if console else [structlog.processors.format_exc_info]),
                renderer,
            ],
        )
    )
    # The standard library's handlers survive a broken stream; printing about it would break again.
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
