"""Logs: a constant message plus fields, as JSON for machines or coloured lines for people."""

from __future__ import annotations

import json
import logging
import logging.config
import sys
from typing import Any

import orjson
import structlog

from server.settings import Logs

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]
_NOISY = ("pymongo", "asyncio", "tornado.access")
"""Below a warning these only narrate; requests have their own log line."""


def _as_json(line: dict[str, Any], **_: Any) -> str:
    try:
        return orjson.dumps(line, default=str).decode()
    except TypeError:  # half a character in a file's name, a number of more than 64 bits
        return json.dumps(line, default=str)


def _from_worker(number: int) -> Any:
    """Set where lines are written, so that those of loggers and threads of an earlier configuration have it too."""

    def add(_logger: object, _method: str, line: dict[str, Any]) -> dict[str, Any]:
        return line | {"worker": number}

    return add


def configure_logs(settings: Logs, worker: int | None = None) -> None:
    """Send everything, our own and the libraries' lines, to standard error in one format; of a worker, with its
    number. May be repeated, as a worker does."""
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    renderer: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_as_json)]
        if as_json
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *([] if worker is None else [_from_worker(worker)]),
            *renderer,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
