"""Traces of a running Auth, as a collector receives them."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.collector import attributes_of, collecting
from tests.services.auth.auth_app import AuthDatabase, bearer, log_in, new_person, refresh, register
from tests.services.auth.conftest import NewDatabase
from tests.services.auth.google.visits import Browser, google_environment, google_standin, somebody
from tests.services.auth.processes import auth_process
from tests.services.auth.waiting import holding_account

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
CANARIES = ("canary-of-a-link", "canary-of-a-caller")


async def visit(client: httpx.AsyncClient) -> list[str]:
    """Send requests of every kind. Gives the secrets that no trace may hold."""
    person = new_person()
    await register(client, person)
    answer = await log_in(client, person)
    traced = {"traceparent": f"00-{TRACE}-{PARENT}-01", **bearer(answer["access_token"])}
    assert (await client.get("/v1/users/me", headers=traced)).status_code == 200
    pair = (await refresh(client, answer["refresh_token"])).json()
    changed = await client.patch(
        "/v1/users/me", json={"username": f"{person.username}x"}, headers=bearer(pair["access_token"])
    )
    assert changed.status_code == 200
    page = await client.get("/email/verify", params={"token": CANARIES[0]})
    assert page.status_code == 200
    headers = {"X-Canary": CANARIES[1], "Cookie": f"a={CANARIES[1]}"}
    assert (await client.get("/nowhere", params={"a": CANARIES[1]}, headers=headers)).status_code == 404
    await client.get("/readyz")
    return [
        *CANARIES,
        person.email,
        person.password,
        *(answer[name] for name in ("access_token", "refresh_token")),
        *pair.values(),
    ]


async def test_a_collector_gets_the_requests_and_their_statements_and_no_secret(
    auth_database: AuthDatabase, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with collecting() as collector:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "LOG_FORMAT": "json"}
        async with auth_process(auth_database, folder=tmp_path, log=str(log), **settings) as auth:
            secrets = await visit(auth.client)
    # What waits for the next batch is sent when the process stops.
    (me,) = collector.named("GET /v1/users/me")
    assert (me.trace_id.hex(), me.parent_span_id.hex(), me.kind) == (TRACE, PARENT, Span.SPAN_KIND_SERVER)
    told = attributes_of(me.attributes)
    assert (
        told.items()
        >= {
            "http.request.method": "GET",
            "http.route": "/v1/users/me",
            "http.response.status_code": 200,
            "url.path": "/v1/users/me",
        }.items()
    )
    (read,) = collector.children(me)
    assert read.name.startswith("SELECT ")
    assert read.kind == Span.SPAN_KIND_CLIENT
    statement = attributes_of(read.attributes)
    assert statement["db.system.name"] == "postgresql"
    assert {"FROM", "users", "$1"} <= set(re.split(r"[\s,:=]+", str(statement["db.query.text"])))
    assert me.start_time_unix_nano <= read.start_time_unix_nano <= read.end_time_unix_nano

    (change,) = collector.named("PATCH /v1/users/me")
    operations = [child.name.split()[0] for child in collector.children(change)]
    assert (operations[-1], operations.count("BEGIN"), "UPDATE" in operations) == ("COMMIT", 1, True)
    for name in ("POST /v1/auth/register", "POST /v1/auth/login", "POST /v1/auth/refresh"):
        assert len(collector.named(name)) == 1, name
    (page,) = collector.named("GET /email/{action}")
    assert attributes_of(page.attributes)["url.query"] == "REDACTED"
    assert not [span for span in collector.spans if "readyz" in str(span)]
    roots = [span for span in collector.spans if not span.parent_span_id]
    assert {span.kind for span in roots} == {Span.SPAN_KIND_SERVER}, "what workers do belongs to no request"
    assert (
        collector.resources[0].items() >= {"service.name": "quartet-auth", "service.version": "0.1.0"}.items()
    )
    for secret in secrets:
        assert str(secret).encode() not in collector.received
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    line = next(line for line in lines if line.get("route") == "/v1/users/me" and line["method"] == "GET")
    assert (line["trace_id"], line["span_id"]) == (TRACE, me.span_id.hex())


@pytest.mark.long
async def test_a_failed_statement_and_a_failed_request_are_errors(
    new_auth_database: NewDatabase, tmp_path: Path
) -> None:
    auth_database = await new_auth_database()
    name = auth_database.settings.url.database
    await auth_database.execute(f"ALTER DATABASE {name} SET lock_timeout = '300ms'")
    with collecting() as collector:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_SERVICE_NAME": "signing-in"}
        async with auth_process(auth_database, folder=tmp_path, **settings) as auth:
            person = await register(auth.client)
            answer = await log_in(auth.client, person)
            async with holding_account(auth_database, answer["user"]["id"]):
                response = await auth.client.patch(
                    "/v1/users/me", json={"username": "another"}, headers=bearer(answer["access_token"])
                )
    assert response.status_code == 503
    (failed,) = collector.named("PATCH /v1/users/me")
    assert failed.status.code == Status.STATUS_CODE_ERROR
    errors = [child for child in collector.children(failed) if child.status.code == Status.STATUS_CODE_ERROR]
    assert errors
    assert all(attributes_of(error.attributes)["error.type"] for error in errors)
    assert not any(span.events for span in collector.spans), "texts of errors may hold what they are about"
    assert collector.resources[0]["service.name"] == "signing-in"


@pytest.mark.long
async def test_requests_to_others_are_spans_without_what_is_secret(
    auth_database: AuthDatabase, tmp_path: Path
) -> None:
    async with google_standin() as provider:
        with collecting() as collector:
            settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, **google_environment(provider)}
            async with auth_process(auth_database, folder=tmp_path, **settings) as auth:
                await Browser(auth.client).sign_in(somebody(provider))
        secrets = [*provider.issued]
    (callback,) = collector.named("GET /v1/oauth/google/callback")
    asked = [span for span in collector.children(callback) if span.name in ("GET", "POST")]
    told = [attributes_of(span.attributes) for span in asked]
    assert ("POST", 200) in [
        (each["http.request.method"], each["http.response.status_code"]) for each in told
    ]
    assert {urlsplit(str(each["url.full"])).netloc for each in told} == {urlsplit(provider.issuer).netloc}
    assert not any("?" in str(each["url.full"]) for each in told)
    for secret in secrets:
        assert secret.encode() not in collector.received


@pytest.mark.long
@pytest.mark.parametrize("kind", ["away", "silent"])
async def test_a_collector_that_does_not_answer_holds_up_nothing(
    auth_database: AuthDatabase, tmp_path: Path, kind: str
) -> None:
    log = tmp_path / "log"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if kind == "silent":
            listener.listen()
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{listener.getsockname()[1]}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "LOG_LEVEL": "warning",
        }
        async with auth_process(auth_database, folder=tmp_path, log=str(log), **settings) as auth:
            answer = await log_in(auth.client, await register(auth.client))
            headers = bearer(answer["access_token"])
            for _ in range(300):
                assert (await auth.client.get("/v1/users/me", headers=headers)).status_code == 200
            started = time.monotonic()
            auth.process.send_signal(signal.SIGTERM)
            assert await auth.process.wait() == 0
            assert time.monotonic() - started < 10
    assert "Traceback" not in log.read_text()
    assert len(log.read_text().splitlines()) < 20


@pytest.mark.long
def test_without_a_collector_nothing_of_it_is_imported() -> None:
    program = """if True:
        import sys
        from types import SimpleNamespace
        import auth.main
        from webcommon.app.trace_export import tracing
        with tracing(SimpleNamespace()):
            found = [name for name in sys.modules if name.startswith(("opentelemetry.sdk", "requests", "google"))]
            sys.exit(", ".join(found) or None)
    """
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
