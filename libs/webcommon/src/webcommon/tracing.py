"""OpenTelemetry traces, sent to a collector when `OTEL_EXPORTER_OTLP_ENDPOINT` names one.

FastAPI makes the span of a request; here is where the spans go, what they must not hold, and those of the database and of
requests to other services. A query may carry the token of a mailed link, so no span has one.
"""

import contextlib
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, StatusCode
from starlette.types import Scope

from dbcommon.tracing import trace_statements
from webcommon.context import QUIET_PATHS

if TYPE_CHECKING:
    from webcommon.app import Service

logger = logging.getLogger(__name__)

STOP_SECONDS = 3.0
"""How long a stopping process waits for a collector that does not answer."""

PROTOCOL = "http/protobuf"

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


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Whether the standard variables ask for traces. Logs a line when they ask for what cannot be done."""
    endpoint = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not endpoint or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    if exporter == "none":
        return False
    protocol = (
        environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or PROTOCOL
    )
    fault = None
    if exporter != "otlp":
        fault = f"OTEL_TRACES_EXPORTER is {exporter}; set it to otlp"
    elif protocol != PROTOCOL:
        fault = (
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}; set it to {PROTOCOL}, and the endpoint to the collector's"
            " port for that, usually 4318"
        )
    elif urlsplit(endpoint).scheme not in ("http", "https"):
        fault = "OTEL_EXPORTER_OTLP_ENDPOINT is no URL; write http://host:4318"
    if fault is not None:
        logger.warning("no traces are sent: %s", fault)
    return fault is None


@contextlib.contextmanager
def tracing(app: "Service") -> Iterator[None]:
    """Trace the requests of an application while the block runs, if the environment asks for it. Enter it once a process,
    before the application starts."""
    if not is_wanted(os.environ):
        yield
        return
    # The SDK takes longer to import than the rest of a small service, and most processes do without.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    class HideQueries(SpanProcessor):
        """Before anything is exported: the part of a request's address that may be a secret."""

        def on_start(self, span: Span, parent_context: Any = None) -> None:  # noqa: ARG002 - the base class's signature
            if span.attributes is not None and "url.query" in span.attributes:
                span.set_attribute("url.query", "REDACTED")

    own = {"service.name": f"quartet-{app.state.settings.service}", "service.version": app.version}
    provider = TracerProvider(
        resource=Resource.create(own).merge(OTELResourceDetector().detect()), shutdown_on_exit=False
    )
    provider.add_span_processor(HideQueries())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    if app.state.database is not None:
        trace_statements(app.state.database)
    try:
        yield
    finally:
        # Alone it would wait for as long as its tries take.
        stopping = threading.Thread(target=provider.shutdown, daemon=True)
        stopping.start()
        stopping.join(STOP_SECONDS)


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
