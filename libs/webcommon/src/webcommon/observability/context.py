"""What belongs to the request that the current task serves."""

from contextvars import ContextVar

from opentelemetry.trace import format_span_id, format_trace_id, get_current_span

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request's id, as `X-Request-ID` answers it; None outside of a request."""

REQUEST_LOGGER = "webcommon.requests"
"""The logger of the one line that each request gets; its records carry `fields` and no text of the caller's."""

QUIET_PATHS = frozenset({"/livez", "/readyz", "/health", "/metrics", "/v1/revocations"})
"""Asked every few seconds by machines, the last one by every replica of the other services: they would drown the log and
the traces."""


def trace_fields() -> dict[str, str]:
    """Where a line of the log belongs in the request's trace; nothing when it is not traced."""
    span = get_current_span().get_span_context()
    if not span.is_valid:
        return {}
    return {"trace_id": format_trace_id(span.trace_id), "span_id": format_span_id(span.span_id)}
