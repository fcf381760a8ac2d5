"""The outermost layer: a request id on every answer, a line in the log, and nothing that the caller wrote in either."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict
from starlette.types import Message

from tests.clients import running
from webcommon.app.service import Service
from webcommon.observability.context import request_id
from webcommon.settings import ServiceSettings

router = APIRouter()


@router.get("/v1/things/{name}")
async def read_thing(name: str) -> str:
    return name


@router.get("/v1/id")
async def read_id() -> str | None:
    await asyncio.sleep(0.01)
    logging.getLogger("inside").warning("inside")
    return request_id.get()


@router.get("/v1/broken")
async def read_broken() -> None:
    raise RuntimeError("broken")


@router.post("/v1/body")
async def read_body(request: Request) -> int:
    return len(await request.body())


@router.get("/v1/own-id")
async def read_own_id(response: Response) -> None:
    response.headers["X-Request-ID"] = "of-the-route"


@router.get("/v1/stream", response_class=StreamingResponse, responses={200: {"content": {"text/plain": {}}}})
async def read_stream() -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x"

    return StreamingResponse(chunks(), media_type="text/plain")


@router.websocket("/v1/socket")
async def talk(socket: WebSocket) -> None:
    await socket.accept(headers=[(b"x-request-id", b"of-the-route")])
    await asyncio.sleep(0.01)
    await socket.send_text(request_id.get() or "")
    await socket.close()


@router.websocket("/v1/listening-socket/{name}")
async def listen(socket: WebSocket, name: str) -> None:
    await socket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        await socket.receive_text()


@router.websocket("/v1/broken-socket")
async def break_off(socket: WebSocket) -> None:
    await socket.accept()
    raise RuntimeError("broken")


@router.websocket("/v1/closing-socket")
async def turn_away(socket: WebSocket) -> None:
    await socket.close(code=1008)


@router.websocket("/v1/refusing-socket")
async def refuse(socket: WebSocket) -> None:
    await socket.send_denial_response(Response(status_code=403))


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TINY_")
    service: ClassVar[str] = "tiny"
    port: int = 1


def build() -> Service:
    chosen = Settings(secret=SecretStr("s" * 32))
    return Service(chosen, version="0", title="Tiny", description="", routers=[router], database=None)


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with running(build()) as started:
        yield started


ANSWERS = [
    ("GET", "/v1/things/a", 200),
    ("GET", "/v1/stream", 200),
    ("GET", "/v1/broken", 500),
    ("GET", "/nowhere", 404),
    ("POST", "/v1/id", 405),
    ("GET", "/livez", 200),
    ("GET", "/readyz", 200),
    ("GET", "/health", 200),
    ("GET", "/metrics", 200),
    ("GET", "/docs", 200),
    ("GET", "/openapi.json", 200),
]


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
async def test_every_answer_has_the_callers_request_id(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path, headers={"X-Request-ID": "abc-123"})
    assert (answer.status_code, answer.headers.get_list("x-request-id")) == (status, ["abc-123"])


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
async def test_every_answer_has_a_new_id_where_the_caller_gave_none(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    first, second = [await client.request(method, path) for _ in range(2)]
    assert first.status_code == status
    assert UUID(first.headers["x-request-id"]).version == 7
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=128)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(identifier=visible)
@example(identifier="!" * 128)
@example(identifier="~")
@example(identifier='"}\\,;<script>')
async def test_any_visible_ascii_up_to_128_is_kept(client: httpx.AsyncClient, identifier: str) -> None:
    answer = await client.get("/livez", headers={"X-Request-ID": identifier})
    assert answer.headers["x-request-id"] == identifier


@pytest.mark.parametrize(
    "identifier",
    [b"", b"a" * 129, b"a b", b" ", b"a\tb", b"\xc3\xa9", b"a\x00b", b"\x7f", b"a\r\nX-Evil: 1", b"\xff"],
)
async def test_any_other_id_is_replaced_by_a_new_one(client: httpx.AsyncClient, identifier: bytes) -> None:
    answer = await client.get("/livez", headers=[(b"x-request-id", identifier)])
    assert UUID(answer.headers["x-request-id"]).version == 7
    assert "x-evil" not in answer.headers


async def test_an_answer_never_has_two_ids(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/own-id", headers={"X-Request-ID": "of-the-caller"})
    assert answer.headers.get_list("x-request-id") == ["of-the-caller"]


async def test_requests_at_once_keep_their_ids_apart(client: httpx.AsyncClient) -> None:
    identifiers = [f"id-{number}" for number in range(50)]
    answers = await asyncio.gather(
        *(client.get("/v1/id", headers={"X-Request-ID": identifier}) for identifier in identifiers)
    )
    assert [answer.json() for answer in answers] == identifiers
    assert request_id.get() is None


def requests_in(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [
        {"level": record.levelname, **record.__dict__["fields"]}
        for record in caplog.records
        if record.name == "webcommon.requests"
    ]


async def test_a_request_is_one_line_with_its_template_and_not_its_path(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await client.get("/v1/things/secret-name?token=secret-token", headers={"User-Agent": "secret-agent"})
    (line,) = requests_in(caplog)
    assert line.pop("duration_ms") >= 0
    assert line == {"level": "INFO", "method": "GET", "route": "/v1/things/{name}", "status": 200}
    ours = [record.__dict__ for record in caplog.records if record.name != "httpx"]
    assert "secret" not in str(ours)


@pytest.mark.parametrize(
    ("path", "level", "status"),
    [("/v1/broken", "WARNING", 500), ("/nowhere/at/all", "INFO", 404), ("/v1/body", "INFO", 405)],
)
async def test_refused_requests_are_logged_and_failed_ones_at_a_higher_level(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, path: str, level: str, status: int
) -> None:
    caplog.set_level(logging.INFO)
    await client.get(path)
    (line,) = requests_in(caplog)
    assert (line["level"], line["status"]) == (level, status)


async def test_probes_are_not_logged(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for path in ("/livez", "/readyz", "/health", "/metrics", "/v1/revocations"):
        await client.get(path)
    assert requests_in(caplog) == []


async def test_a_method_of_the_callers_own_making_is_not_logged_as_it_is(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await client.request("SECRET", "/v1/id")
    (line,) = requests_in(caplog)
    assert line["method"] == "OTHER"


async def test_a_client_that_disconnects_is_counted_and_logs_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = build()
    caplog.set_level(logging.INFO)
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/v1/body",
        "raw_path": b"/v1/body",
        "query_string": b"",
        "headers": [],
        "server": ("test", 80),
        "client": ("127.0.0.1", 1),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert len(requests_in(caplog)) == 1
    assert all(record.levelno < logging.ERROR for record in caplog.records)
    assert not any(message.get("status", 0) >= 500 for message in sent), json.dumps(sent, default=str)
    assert request_id.get() is None


async def open_socket(path: str, *, headers: list[tuple[bytes, bytes]], query: str = "") -> list[Message]:
    """What a web socket's caller gets, from the handshake to the end."""
    scope: dict[str, Any] = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
        "server": ("test", 80),
        "client": ("127.0.0.1", 1),
        "scheme": "ws",
        "http_version": "1.1",
        "root_path": "",
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
    sent: list[Message] = []
    coming: Iterator[Message] = iter(
        [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1001}]
    )

    async def receive() -> Message:
        return next(coming)

    async def send(message: Message) -> None:
        sent.append(message)

    await build()(scope, receive, send)
    return sent


def ids_in(message: Message) -> list[str]:
    return [value.decode() for name, value in message["headers"] if name == b"x-request-id"]


async def test_a_web_socket_keeps_its_callers_request_id_for_its_whole_life() -> None:
    accepted, told, _ = await open_socket("/v1/socket", headers=[(b"x-request-id", b"abc-123")])
    assert accepted["type"] == "websocket.accept"
    assert ids_in(accepted) == ["abc-123"]
    assert told["text"] == "abc-123"
    assert request_id.get() is None


@pytest.mark.parametrize("headers", [[], [(b"x-request-id", b"a b")]])
async def test_a_web_socket_gets_an_id_of_its_own_where_none_can_be_kept(
    headers: list[tuple[bytes, bytes]],
) -> None:
    first, second = [await open_socket("/v1/socket", headers=headers) for _ in range(2)]
    (identifier,) = ids_in(first[0])
    assert UUID(identifier).version == 7
    assert first[1]["text"] == identifier
    assert ids_in(second[0]) != [identifier]


async def test_a_refused_handshake_has_an_id_too() -> None:
    refused, *_ = await open_socket("/v1/refusing-socket", headers=[(b"x-request-id", b"abc-123")])
    assert (refused["type"], refused["status"]) == ("websocket.http.response.start", 403)
    assert ids_in(refused) == ["abc-123"]
    assert (b"x-content-type-options", b"nosniff") in refused["headers"]


@pytest.mark.parametrize(
    ("path", "route", "ending"),
    [
        ("/v1/socket?token=secret-token", "/v1/socket", {"close_code": 1000}),
        ("/v1/listening-socket/secret", "/v1/listening-socket/{name}", {"close_code": 1001}),
        ("/v1/closing-socket", "/v1/closing-socket", {"status": 403}),
        ("/v1/refusing-socket", "/v1/refusing-socket", {"status": 403}),
        ("/nowhere", "(no route)", {"status": 403}),
    ],
)
async def test_a_web_socket_is_one_line_at_its_end(
    caplog: pytest.LogCaptureFixture, path: str, route: str, ending: dict[str, int]
) -> None:
    caplog.set_level(logging.INFO)
    bare, _, query = path.partition("?")
    await open_socket(bare, headers=[], query=query)
    (line,) = requests_in(caplog)
    assert line.pop("duration_ms") >= 0
    assert line == {"level": "INFO", "route": route, **ending}
    assert "secret" not in str([record.__dict__ for record in caplog.records])


async def test_a_failed_web_socket_is_logged_at_a_higher_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(RuntimeError):
        await open_socket("/v1/broken-socket", headers=[])
    (line,) = requests_in(caplog)
    assert line.pop("duration_ms") >= 0
    assert line == {"level": "WARNING", "route": "/v1/broken-socket"}
