"""Logs: one JSON object a line in containers, coloured text on a terminal, never a secret.

Everything goes through the standard library's logging, so that the libraries' lines look like ours.
"""

import contextlib
import logging
import os
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from webcommon.context import REQUEST_LOGGER, request_id, trace_fields
from webcommon.masking import mask, mask_text
from webcommon.settings import LogFormat

# An id of our own making, which is most of them, needs no search for the shapes of secrets.
_PLAIN_ID = re.compile("[0-9a-f-]{36}")


def hide_secrets(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Mask fields that are named like secrets and anything in a text that has the shape of one."""
    for name, value in event.items():
        event[name] = mask(value, name="" if name in _OUR_NAMES else name)
    return event


_OUR_NAMES = frozenset({"event", "exception"})


def _add_ids(_logger: Any, _method: str, event: EventDict) -> EventDict:
    identifier = request_id.get()
    if identifier is not None:
        event["request_id"] = identifier
    event.update(trace_fields())
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
    handler = _Handler(stream)
    handler.setFormatter(_formatter(service=service, console=console, colours=_wants_colour(stream)))
    # No line shows a thread or a process, and each record pays for looking them up ("Optimization" of the logging HOWTO).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "httpx"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in ("httpx", "httpcore", "alembic", "urllib3", "dbcommon.pool"):
        # SQLAlchemy logs under the name of the pool's class.
        logging.getLogger(name).setLevel(logging.WARNING)


def _wants_colour(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return stream.isatty() or bool(os.environ.get("FORCE_COLOR"))


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the base class's name
        """Say that a line was lost; the base class would print its arguments, whatever they hold."""
        place = f"{record.pathname}:{record.lineno}"
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"a log line of {place} could not be written: {sys.exc_info()[0]}\n")


class _JsonFormatter(structlog.stdlib.ProcessorFormatter):
    """JSON lines. The line of a request has known fields, none of them a text of the caller's but the id, so it is
    written without the chain of processors: it is the one line that every request pays for."""

    def __init__(self, *, service: str, **options: Any) -> None:
        super().__init__(**options)
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        if record.name != REQUEST_LOGGER:
            return super().format(record)
        at = datetime.fromtimestamp(record.created, UTC).isoformat()
        line = (
            f'{{"at": "{at}", "level": "{record.levelname.lower()}", "service": "{self._service}", '
            f'"event": "{record.msg}"{_spell(record.__dict__["fields"])}'
        )
        identifier = request_id.get()
        if identifier is not None:
            shown = identifier if _PLAIN_ID.fullmatch(identifier) else mask_text(identifier)
            line += f', "request_id": {encode_basestring_ascii(shown)}'
        return f"{line}{_spell(trace_fields())}}}"


def _spell(fields: Mapping[str, str | int | float]) -> str:
    # Texts and numbers alone: a third of the time that the general encoder takes, for every request.
    return "".join(
        f', "{name}": {encode_basestring_ascii(value) if isinstance(value, str) else value}'
        for name, value in fields.items()
    )


def _formatter(*, service: str, console: bool, colours: bool) -> logging.Formatter:
    def add_service(_logger: Any, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    shared: list[Processor] = [
        _add_fields,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _add_ids,
    ]
    # Exceptions become text before the masking; the pretty tracebacks of a terminal would show local variables.
    processors: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
    ]
    if console:
        plain = structlog.dev.plain_traceback
        renderer: Processor = structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=plain)
        processors += [hide_secrets, renderer]
    else:
        processors += [add_service, hide_secrets, structlog.processors.JSONRenderer()]
    if console:
        return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=processors)
    return _JsonFormatter(service=service, foreign_pre_chain=shared, processors=processors)
