"""Logs: one JSON object a line in containers, coloured text on a terminal, never a secret.

All lines go through the standard library's logging, so that the libraries' lines look like ours. The line of a request is
on every request's path and is formatted by hand, to the same format.
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

from webcommon.observability.context import REQUEST_LOGGER, request_id, trace_fields
from webcommon.observability.masking import mask, mask_text
from webcommon.settings import LogFormat

# Most ids are our own, and need no search for secrets.
_PLAIN_ID = re.compile("[0-9a-f-]{36}")


def hide_secrets(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Mask fields with the names of secrets, and text with the shape of one."""
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
    handler = _Handler(stream) if console else _JsonHandler(stream, service=service)
    handler.setFormatter(_formatter(service=service, console=console, colours=_wants_colour(stream)))
    # No line shows a thread or a process, and looking them up costs every record ("Optimization" of the logging HOWTO).
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
        """Report a lost line without its arguments, which the base class would print."""
        self.tell_loss(f"{record.pathname}:{record.lineno}")

    def tell_loss(self, place: str) -> None:
        """Report the lost line and the reason on stderr."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"a log line of {place} could not be written: {sys.exc_info()[0]}\n")


class _JsonHandler(_Handler):
    """Writes JSON lines. The line of a request skips the record and the chain of processors: its fields are known, and
    every request pays for it."""

    def __init__(self, stream: TextIO, *, service: str) -> None:
        super().__init__(stream)
        self._service = f'"service": {encode_basestring_ascii(service)}'

    def write_request(self, level: int, event: str, fields: Mapping[str, str | int | float]) -> None:
        """Write the line of a request in the formatter's format, unbuffered: a killed process loses none."""
        at = datetime.now(UTC).isoformat()
        identifier = request_id.get()
        ids = trace_fields() if identifier is None else {"request_id": _show_id(identifier), **trace_fields()}
        line = (
            f'{{"at": "{at}", "level": "{_LEVELS[level]}", {self._service}, "event": "{event}"'
            f"{_spell(fields)}{_spell(ids)}}}\n"
        )
        try:
            with self.lock or contextlib.nullcontext():
                self.stream.write(line)
                self.stream.flush()
        except (OSError, ValueError):
            self.tell_loss(REQUEST_LOGGER)


_LEVELS = {logging.INFO: "info", logging.WARNING: "warning"}

_root = logging.getLogger()
_requests = logging.getLogger(REQUEST_LOGGER)


def log_request(level: int, event: str, fields: Mapping[str, str | int | float]) -> None:
    """Log the line of a request, at INFO or WARNING; `fields` contain no text of the caller's."""
    if not _requests.isEnabledFor(level):
        return
    handlers = _root.handlers
    if len(handlers) == 1 and type(handlers[0]) is _JsonHandler:
        handlers[0].write_request(level, event, fields)
    else:
        _requests.log(level, event, extra={"fields": fields})


def _show_id(identifier: str) -> str:
    return identifier if _PLAIN_ID.fullmatch(identifier) else mask_text(identifier)


def _spell(fields: Mapping[str, str | int | float]) -> str:
    # Only texts and numbers: this takes a third of the general encoder's time, for every request.
    return "".join(
        [
            f', "{name}": {encode_basestring_ascii(value) if type(value) is str else value}'
            for name, value in fields.items()
        ]
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
    # Exceptions become text before masking; a terminal's pretty tracebacks would show local variables.
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
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=processors)
