"""Exports a process's spans to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names, if any."""

import contextlib
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import trace

from dbcommon.tracing import trace_statements
from webcommon.app.service import Service

logger = logging.getLogger(__name__)

STOP_SECONDS = 3.0
"""How long a stopping process waits for a collector that does not answer."""

PROTOCOL = "http/protobuf"


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Whether the standard variables enable traces. Logs a line when they ask for something unsupported."""
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
def tracing(app: Service) -> Iterator[None]:
    """Trace an application's requests while the block runs, if the environment says so. Enter it once a process, before
    the application starts."""
    if not is_wanted(os.environ):
        yield
        return
    # Importing the SDK takes longer than the rest of a small service, and most processes do not need it.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    class HideQueries(SpanProcessor):
        """Remove, before export, the part of a request's URL that may be a secret."""

        def on_start(self, span: Span, parent_context: Any = None) -> None:  # noqa: ARG002 - the base class's signature
            if span.attributes is not None and "url.query" in span.attributes:
                span.set_attribute("url.query", "REDACTED")

    own = {"service.name": f"quartet-{app.settings.service}", "service.version": app.version}
    provider = TracerProvider(
        resource=Resource.create(own).merge(OTELResourceDetector().detect()), shutdown_on_exit=False
    )
    provider.add_span_processor(HideQueries())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    if app.database is not None:
        trace_statements(app.database)
    try:
        yield
    finally:
        # Otherwise it would wait for all retries.
        stopping = threading.Thread(target=provider.shutdown, daemon=True)
        stopping.start()
        stopping.join(STOP_SECONDS)
