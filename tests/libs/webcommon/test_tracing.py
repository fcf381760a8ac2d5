"""Which variables ask for traces; what the traces hold is tested with a running service."""

import logging

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from webcommon.app.trace_export import is_wanted
from webcommon.observability.tracing import TracedClient, describe_request

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    "environ",
    [
        ENDPOINT,
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector/v1/traces"},
        {**ENDPOINT, "OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
        {**ENDPOINT, "OTEL_TRACES_EXPORTER": "", "OTEL_SDK_DISABLED": "false"},
    ],
)
def test_the_standard_variables_ask_for_traces(
    environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    assert is_wanted(environ)
    assert not caplog.records


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {**ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"},
        {**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_or_do_not(environ: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    assert not is_wanted(environ)
    assert not caplog.records


@pytest.mark.parametrize(
    ("changed", "way_out"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "http/protobuf"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "set it to otlp"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "write http://host:4318"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    changed: dict[str, str], way_out: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert not is_wanted({**ENDPOINT, **changed})
    (record,) = caplog.records
    assert way_out in record.getMessage()


def test_the_span_of_a_request_to_another_service_has_no_query_and_no_password() -> None:
    request = httpx.Request("GET", "https://user:canary@example.com/a/b?token=canary#canary")
    assert describe_request(request) == {
        "http.request.method": "GET",
        "server.address": "example.com",
        "url.full": "https://example.com/a/b",
    }


async def test_another_service_is_told_of_the_trace_and_only_within_one() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=request.headers.get("traceparent", "none"))

    span = TracerProvider().get_tracer(__name__).start_span("request")
    async with TracedClient(transport=httpx.MockTransport(answer)) as client:
        assert (await client.get("http://other/")).text == "none"
        with trace.use_span(span):
            told = (await client.get("http://other/")).text
    assert told.split("-")[1] == trace.format_trace_id(span.get_span_context().trace_id)
