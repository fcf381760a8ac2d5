"""The spans of requests, as OpenTelemetry's API makes them; `webcommon.app.trace_export` sends them.

FastAPI makes the span of a request that comes in; here are those of requests to other services. A query may carry the token
of a mailed link, so no span has one.
"""

from typing import Any

import httpx
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, StatusCode
from starlette.types import Scope

from webcommon.observability.context import QUIET_PATHS

_tracer = trace.get_tracer(__name__)


def is_quiet(scope: Scope) -> bool:
    """Whether a request makes no span, as it makes no line in the log."""
    return scope["path"] in QUIET_PATHS


def name_span(scope: Scope, route: str) -> None:
    """Tell the span of a request which route serves it, where that is not FastAPI's to find out."""
    span = trace.get_current_span()
    if span.is_recording():
        span.update_name(f"{scope['method']} {route}")
        span.set_attribute("http.route", route)


def describe_request(request: httpx.Request) -> dict[str, str]:
    """What the span of a request to another service says of it beforehand."""
    return {
        "http.request.method": request.method,
        "server.address": request.url.host,
        "url.full": str(request.url.copy_with(query=None, userinfo=None, fragment=None)),
    }


class TracedClient(httpx.AsyncClient):
    """An HTTP client whose requests are spans of the request that they are made for, and tell the other side of it."""

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """What `httpx.AsyncClient.send` gives and raises."""
        if not trace.get_current_span().is_recording():
            return await super().send(request, **options)
        # A failure's text may hold the address with its query.
        with _tracer.start_as_current_span(
            request.method,
            kind=SpanKind.CLIENT,
            attributes=describe_request(request),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            propagate.inject(request.headers)
            try:
                response = await super().send(request, **options)
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise
            span.set_attribute("http.response.status_code", response.status_code)
            if response.is_error:
                span.set_attribute("error.type", str(response.status_code))
                span.set_status(StatusCode.ERROR)
            return response
