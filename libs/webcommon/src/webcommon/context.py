"""What belongs to the request that the current task serves."""

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request's id, as `X-Request-ID` answers it; None outside of a request."""
