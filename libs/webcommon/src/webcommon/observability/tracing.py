"""Spans of requests, by OpenTelemetry's API; `webcommon.app.trace_export` exports them.

FastAPI makes the spans of incoming requests; here are those of requests to other services. A query may contain the token
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
    """Whether a request has no span and no log line."""
    return scope["path"] in QUIET_PATHS


def name_span(scope: Scope, route: str) -> None:
    """Set the route on a request's span, where FastAPI cannot find it."""
    span = trace.get_current_span()
    if span.is_recording():
        span.update_name(f"{scope['method']} {route}")
        span.set_attribute("http.route", route)


def describe_request(request: httpx.Request) -> dict[str, str]:
    """The attributes of an outgoing request's span, known beforehand."""
    return {
        "http.request.method": request.method,
        "server.address": request.url.host,
        "url.full": str(request.url.copy_with(query=None, userinfo=None, fragment=None)),
    }


class TracedClient(httpx.AsyncClient):
    """An HTTP client whose requests are child spans of the current request, and propagate its trace."""

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """As `httpx.AsyncClient.send`."""
        if not trace.get_current_span().is_recording():
            return await super().send(request, **options)
        # An error's text may contain the address with its query.
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
