"""What belongs to the request that the current task serves."""

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request's id, as `X-Request-ID` answers it; None outside of a request."""

REQUEST_LOGGER = "webcommon.requests"
"""The logger of the one line that each request gets; its records carry `fields` and no text of the caller's."""
