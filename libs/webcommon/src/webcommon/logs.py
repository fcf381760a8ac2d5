"""Logs: one JSON object a line in containers, coloured text on a terminal, never a secret.

Everything goes through the standard library's logging, so that the libraries' lines look like ours.
"""

import json
import logging
import os
import re
import sys
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

from webcommon.context import request_id

LogFormat = Literal["auto", "json", "console"]

_SECRET_NAMES = re.compile(
    r"passw|secret|token|cookie|authorization|card|cvc|api_?key|credential", re.IGNORECASE
)

_SECRET_VALUES = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # a JWT
    r"|(?<=://)([^\s/:@]+):[^\s/@]+(?=@)"  # the credentials of a URL
    r"|(?i:(?<=bearer )|(?<=basic ))[\w.~+/=-]{8,}"
    r"|\b(?:sk|rk|whsec)_(?:test_|live_)?\w{8,}"  # keys of the payment processor
)


def hide_secrets(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Mask fields that are named like secrets and anything in a text that has the shape of one."""
    for name, value in event.items():
        if _SECRET_NAMES.search(name) and name != "event":
            event[name] = "***"
        elif isinstance(value, str):
            event[name] = _SECRET_VALUES.sub("***", value)
    return event


def _add_request_id(_logger: Any, _method: str, event: EventDict) -> EventDict:
    identifier = request_id.get()
    if identifier is not None:
        event["request_id"] = identifier
    return event


def _add_fields(_logger: Any, _method: str, event: EventDict) -> EventDict:
    fields = getattr(event.get("_record"), "fields", None)
    if fields:
        event.update(fields)
    return event


def configure_logging(
    *, service: str, level: str, log_format: LogFormat, stream: TextIO = sys.stdout
) -> None:
    """Send every logger of the process to `stream`. `auto`: text when `stream` is a terminal, else JSON."""
    console = log_format == "console" or (log_format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(service=service, console=console, colours=_wants_colour(stream)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "httpx"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in ("httpx", "httpcore", "alembic", "dbcommon.pool"):
        # SQLAlchemy logs under the name of the pool's class.
        logging.getLogger(name).setLevel(logging.WARNING)


def _wants_colour(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return stream.isatty() or bool(os.environ.get("FORCE_COLOR"))


class _JsonFormatter(structlog.stdlib.ProcessorFormatter):
    """JSON lines. The line of a request has known fields, none of them a text of the caller's but the id, so it is
    written without the chain of processors: it is the one line that every request pays for."""

    def __init__(self, *, service: str, **options: Any) -> None:
        super().__init__(**options)
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", None)
        if fields is None or record.exc_info:
            return super().format(record)
        at = datetime.fromtimestamp(record.created, UTC).isoformat()
        line = {
            "at": at,
            "level": record.levelname.lower(),
            "service": self._service,
            "event": record.msg,
            **fields,
        }
        identifier = request_id.get()
        if identifier is not None:
            line["request_id"] = _SECRET_VALUES.sub("***", identifier)
        return json.dumps(line)


def _formatter(*, service: str, console: bool, colours: bool) -> logging.Formatter:
    def add_service(_logger: Any, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    shared: list[Processor] = [
        _add_fields,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _add_request_id,
    ]
    if console:
        last: list[Processor] = [hide_secrets, structlog.dev.ConsoleRenderer(colors=colours)]
    else:
        last = [
            structlog.processors.format_exc_info,
            add_service,
            hide_secrets,
            structlog.processors.JSONRenderer(),
        ]
    processors = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
    if console:
        return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=processors)
    return _JsonFormatter(service=service, foreign_pre_chain=shared, processors=processors)
