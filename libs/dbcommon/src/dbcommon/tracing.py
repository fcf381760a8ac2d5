"""A span for each statement of a traced request: its text with placeholders, never a value.

Not by a package: those see either SQLAlchemy's statements or the driver's.
"""

import time
from typing import Any

from asyncpg.connection import LoggedQuery
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext

from dbcommon.dsn import DatabaseUrl
from dbcommon.engine import Database

_BEGAN = "statement began"


def trace_statements(database: Database) -> None:
    """Trace the statements of a database. Call it before the pool opens connections."""
    spans = _StatementSpans(database.settings.url)
    engine = database.engine.sync_engine
    # SQLAlchemy prepares its statements, which the driver's query logger does not report.
    event.listen(engine, "connect", spans.on_connect)
    event.listen(engine, "before_cursor_execute", spans.on_begin)
    event.listen(engine, "after_cursor_execute", spans.on_end)
    event.listen(engine, "handle_error", spans.on_error)


class _StatementSpans:
    """Attributes: OpenTelemetry's semantic conventions for database clients."""

    def __init__(self, url: DatabaseUrl) -> None:
        host, port = url.hosts[0]
        self._database = url.database
        self._attributes: dict[str, str | int] = {
            "db.system.name": "postgresql",
            "db.namespace": url.database,
            "server.address": host,
            "server.port": port,
        }
        self._tracer = trace.get_tracer(__name__)

    def on_connect(self, connection: Any, _entry: Any) -> None:
        connection.driver_connection.add_query_logger(self._on_query)

    def on_begin(self, connection: Any, *_arguments: Any) -> None:
        connection.info[_BEGAN] = time.time_ns()

    def on_end(self, connection: Any, _cursor: Any, statement: str, *_arguments: Any) -> None:
        self._record(statement, began=connection.info.pop(_BEGAN), ended=time.time_ns())

    def on_error(self, context: ExceptionContext) -> None:
        began = context.connection.info.pop(_BEGAN, None) if context.connection is not None else None
        if began is not None and context.statement is not None:
            error = context.original_exception
            self._record(context.statement, began=began, ended=time.time_ns(), error=error)

    def _on_query(self, query: LoggedQuery) -> None:
        ended = time.time_ns()
        began = ended - int(query.elapsed * 1e9)
        self._record(query.query, began=began, ended=ended, error=query.exception)

    def _record(self, statement: str, *, began: int, ended: int, error: BaseException | None = None) -> None:
        # Background work belongs to no request and repeats all day.
        if not trace.get_current_span().get_span_context().is_valid:
            return
        operation = statement.split(maxsplit=1)[0].strip(";").upper()
        span = self._tracer.start_span(
            f"{operation} {self._database}",
            kind=SpanKind.CLIENT,
            start_time=began,
            attributes={**self._attributes, "db.operation.name": operation, "db.query.text": statement},
        )
        if error is not None:
            # The error's text may contain values.
            span.set_attribute("error.type", getattr(error, "sqlstate", None) or type(error).__name__)
            span.set_status(StatusCode.ERROR)
        span.end(ended)
