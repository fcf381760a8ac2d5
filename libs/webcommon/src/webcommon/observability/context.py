"""Context of the request that the current task serves."""

from contextvars import ContextVar

from opentelemetry.trace import format_span_id, format_trace_id, get_current_span

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request's id, as in `X-Request-ID`; None outside of a request."""

REQUEST_LOGGER = "webcommon.requests"
"""The logger of the line of each request; its records have `fields` and no text of the caller's."""

QUIET_PATHS = frozenset({"/livez", "/readyz", "/health", "/metrics", "/v1/revocations"})
"""Paths that machines request every few seconds, the last one every replica of the other services: no log line and no
trace."""


def trace_fields() -> dict[str, str]:
    """The trace and span of a log line; empty when the request is not traced."""
    span = get_current_span().get_span_context()
    if not span.is_valid:
        return {}
    return {"trace_id": format_trace_id(span.trace_id), "span_id": format_span_id(span.span_id)}
