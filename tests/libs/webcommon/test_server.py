"""A service as a process: what it says about wrong settings, and how it stops without losing a request."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from tests.clients import certificates
from tests.processes import free_port
from tests.services.auth.mail.mails import eventually
from tests.sockets import open_socket
from webcommon.app.drain import CLOSING_SECONDS, HANDOVER_SECONDS, Drain, longest_stop
from webcommon.app.http_protocol import BoundedHeadersProtocol
from webcommon.app.server import EXIT_CUT_OFF

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]
SECRET = "correct horse battery staple 0123456789"
START_SECONDS = 120


@dataclass
class Running:
    """A tiny service in a process of its own."""

    process: Process
    port: int
    client: httpx.AsyncClient
    output: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    readers: list["asyncio.Task[None]"] = field(default_factory=list)

    async def stopped(self) -> int:
        """The exit status, once the process has ended."""
        async with asyncio.timeout(START_SECONDS):
            status = await self.process.wait()
            await asyncio.gather(*self.readers)
        return status

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def said(self, words: str) -> None:
        """Wait until a line of the output holds `words`."""
        async with asyncio.timeout(START_SECONDS):
            while not any(words in line for line in self.output):
                assert self.process.returncode is None, self.errors
                await asyncio.sleep(0.01)

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output]


async def _collect(stream: asyncio.StreamReader | None, lines: list[str]) -> None:
    assert stream is not None
    async for line in stream:
        lines.append(line.decode().rstrip("\n"))  # noqa: PERF401 - each line is wanted when it comes


def environment(port: int, **changed: str) -> dict[str, str]:
    settings = {"TINY_PORT": str(port), "TINY_SECRET": SECRET, "LOG_FORMAT": "json"}
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings, **changed}


async def launch(environ: dict[str, str]) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.libs.tiny_service", cwd=ROOT, env=environ, stdout=PIPE, stderr=PIPE
    )


@contextlib.asynccontextmanager
async def started(**changed: str) -> AsyncIterator[Running]:
    """A service that answers; killed at the end of the block if it still runs."""
    port = free_port()
    process = await launch(environment(port, **changed))
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", timeout=60, verify=certificates()
    ) as client:
        running = Running(process, port, client)
        running.readers = [
            asyncio.create_task(_collect(process.stdout, running.output)),
            asyncio.create_task(_collect(process.stderr, running.errors)),
        ]
        try:
            await _answers(running)
            yield running
        finally:
            if process.returncode is None:
                process.kill()
            await running.stopped()


async def _answers(running: Running) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            assert running.process.returncode is None, running.errors
            with contextlib.suppress(httpx.TransportError):
                if (await running.client.get("/livez")).status_code == 200:
                    return
            await asyncio.sleep(0.02)


async def refused(environ: dict[str, str]) -> tuple[int | None, list[str]]:
    """The exit status and the lines on stderr of a service that does not start."""
    process = await launch(environ)
    # Six of them start at once.
    async with asyncio.timeout(3 * START_SECONDS):
        output, errors = await process.communicate()
    assert output == b""
    return process.returncode, errors.decode().splitlines()


# Starting.

ADDRESSES = ["192.0.2.1", "no-such-host.invalid", "::2"]
WRONG = {
    "TINY_PORT": "http",
    "TINY_SECRET": "hunter2-canary",
    "TINY_KEY_FILE": "/nowhere/at-all",
    "TINY_DATABASE_URL": "postgresql://u:hunter2-canary@h:x/d",
    "TINY_CORS_ORIGINS": "*",
    "LOG_LEVEL": "loud",
}

Refusals = dict[str, tuple[int | None, list[str]]]


@pytest.fixture(scope="module")
async def refusals() -> Refusals:
    """How services end that cannot start, by the reason; all are started at once, since each takes a second."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environs = {
            "wrong": environment(1, **WRONG),
            "missing": environment(free_port(), TINY_SECRET=""),
            "taken": environment(taken.getsockname()[1]),
        } | {address: environment(free_port(), TINY_HOST=address) for address in ADDRESSES}
        ends = await asyncio.gather(*(refused(environ) for environ in environs.values()))
    return dict(zip(environs, ends, strict=True))


async def test_wrong_settings_are_a_line_each_and_status_2(refusals: Refusals) -> None:
    status, lines = refusals["wrong"]
    assert status == 2
    assert sorted(line.removeprefix("tiny: ").split(":")[0] for line in lines) == sorted(WRONG)
    assert "hunter2" not in "".join(lines)


async def test_a_missing_secret_is_one_line_that_says_what_to_do(refusals: Refusals) -> None:
    status, (line,) = refusals["missing"]
    assert status == 2
    assert line.startswith("tiny: TINY_SECRET is not set; ")


async def test_a_port_that_is_taken_is_one_line_and_status_3(refusals: Refusals) -> None:
    status, (line,) = refusals["taken"]
    assert status == 3
    assert " is taken; " in line
    assert "TINY_PORT" in line


@pytest.mark.parametrize("address", ADDRESSES)
async def test_an_address_that_cannot_be_bound_is_one_line_and_status_3(
    refusals: Refusals, address: str
) -> None:
    status, (line,) = refusals[address]
    assert status == 3
    assert address in line
    assert "TINY_HOST" in line


async def test_a_start_that_fails_is_no_success() -> None:
    process = await launch(environment(free_port(), TINY_FAIL_AT_START="true"))
    output, _ = await process.communicate()
    assert process.returncode not in (0, 2)
    assert "the start failed" in output.decode()
    assert all(json.loads(line) for line in output.decode().splitlines())


# Stopping.


async def test_a_stop_drains_then_finishes_what_runs() -> None:
    async with started(SHUTDOWN_DRAIN_SECONDS="1") as service:
        ready = await service.client.get("/readyz")
        slow = asyncio.create_task(service.client.get("/v1/slow", params={"seconds": 1.5}))
        await service.said("slow request began")
        service.terminate()
        # A connection of its own each time: the listener itself must still be open.
        async with httpx.AsyncClient(base_url=str(service.client.base_url), verify=certificates()) as fresh:
            draining = await fresh.get("/readyz")
        async with httpx.AsyncClient(base_url=str(service.client.base_url), verify=certificates()) as fresh:
            alive = await fresh.get("/livez")
            late = await fresh.post("/v1/body", content=b"abc")
        answer = await slow
        status = await service.stopped()
    assert ready.status_code == 200
    assert (draining.status_code, draining.json()["reason"]) == (503, "the service is stopping")
    assert (alive.status_code, late.json()) == (200, 3)
    assert (answer.status_code, answer.json()) == (200, "done")
    assert status == 0
    assert service.errors == []
    assert "the lifespan ended" in [line["event"] for line in service.logged()]


async def test_objects_of_the_start_are_not_garbage_collected() -> None:
    async with started() as service:
        is_collected, spared = (await service.client.get("/v1/garbage")).json()
    assert is_collected
    assert spared > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_by_either_signal_is_status_0(number: signal.Signals) -> None:
    async with started() as service:
        service.process.send_signal(number)
        assert await service.stopped() == 0
    assert service.errors == []


async def test_after_the_drain_connections_are_refused() -> None:
    async with started() as service:
        slow = asyncio.create_task(service.client.get("/v1/slow", params={"seconds": 1.5}))
        await service.said("slow request began")
        service.terminate()
        await service.said("Shutting down")
        async with httpx.AsyncClient(base_url=str(service.client.base_url), verify=certificates()) as fresh:
            with pytest.raises(httpx.ConnectError):
                await fresh.get("/livez")
        assert (await slow).status_code == 200
        assert await service.stopped() == 0


async def test_a_second_signal_cuts_the_drain_short() -> None:
    async with started(SHUTDOWN_DRAIN_SECONDS="60") as service:
        slow = asyncio.create_task(service.client.get("/v1/slow", params={"seconds": 1}))
        await service.said("slow request began")
        service.terminate()
        async with asyncio.timeout(30):
            while (await service.client.get("/readyz")).status_code != 503:
                pass
        service.terminate()
        assert (await slow).status_code == 200
        assert await service.stopped() == 0


async def test_a_third_signal_waits_for_nobody() -> None:
    async with started(SHUTDOWN_DRAIN_SECONDS="60") as service:
        slow = asyncio.create_task(service.client.get("/v1/slow", params={"seconds": 60}))
        await service.said("slow request began")
        for line in ("", "Waiting for connections"):
            service.terminate()
            async with asyncio.timeout(30):
                while not line and (await service.client.get("/readyz")).status_code != 503:
                    pass
            await service.said(line)
        service.terminate()
        await service.stopped()
        with contextlib.suppress(httpx.TransportError):
            assert (await slow).status_code >= 500


async def test_a_request_that_outlives_its_grace_is_ended() -> None:
    async with started(SHUTDOWN_GRACE_SECONDS="0.5") as service:
        slow = asyncio.create_task(service.client.get("/v1/slow", params={"seconds": 60}))
        await service.said("slow request began")
        service.terminate()
        assert await service.stopped() == 0
        with contextlib.suppress(httpx.TransportError):
            assert (await slow).status_code >= 500


async def test_an_open_web_socket_is_closed_with_1012() -> None:
    async with started() as service, open_socket(service.port, "/v1/socket") as socket:
        assert await socket.receive_text() == "hello"
        service.terminate()
        assert await socket.closed() == 1012
        assert await service.stopped() == 0


async def test_an_accepted_connection_gets_its_first_answer_though_the_server_stops() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, http=BoundedHeadersProtocol, lifespan="off", log_config=None)
    )
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(START_SECONDS):
        await eventually(lambda: server.started)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        silent, other = await asyncio.open_connection("127.0.0.1", port)
        await eventually(lambda: len(server.server_state.connections) == 2)
        server.should_exit = True
        await eventually(lambda: not server.servers[0].is_serving())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = (await reader.read()).lower()
        assert answer.startswith(b"http/1.1 204 ")
        assert b"\r\nconnection: close\r\n" in answer
        assert await silent.read() == b""
        await serving
    writer.close()
    other.close()


async def test_drain_hooks_run_before_the_sockets_close() -> None:
    async with started() as service, open_socket(service.port, "/v1/lease") as socket:
        assert await socket.receive() == {"held": True}
        service.terminate()
        assert await socket.receive() == {"held": False}
        # Without any drain time: the hook alone keeps the listener open.
        async with httpx.AsyncClient(base_url=str(service.client.base_url), verify=certificates()) as fresh:
            assert (await fresh.get("/readyz")).status_code == 503
            assert (await fresh.post("/v1/body", content=b"abc")).json() == 3
        await socket.send({"taken": True})
        assert await socket.closed() == 1012
        assert await service.stopped() == 0
    assert [line["level"] for line in service.logged() if "failed to hand over" in line["event"]] == ["error"]


async def test_a_hook_that_takes_too_long_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    drain = Drain(seconds=0.01)

    async def hang() -> None:
        await asyncio.Event().wait()

    assert drain.is_over
    drain.add(hang)
    assert not drain.is_over
    drain.start()
    drain.start()
    assert not drain.is_over
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == "drain"]
    async with asyncio.timeout(30):
        await task
    assert drain.is_over
    assert [record.getMessage() for record in caplog.records] == [
        f"{hang.__qualname__} was cut off after 0.01 s of handing over"
    ]


async def test_a_hook_that_swallows_its_cancellation_keeps_the_process_no_longer_than_the_longest_stop() -> (
    None
):
    async with started(TINY_NEVER_HANDS_OVER="true", SHUTDOWN_GRACE_SECONDS="0") as service:
        service.terminate()
        await service.said("the lifespan ended")
        assert await service.stopped() == EXIT_CUT_OFF
    said = [line["event"] for line in service.logged()]
    cut_off = next(number for number, event in enumerate(said) if "was cut off after 5 s" in event)
    assert said.index("the lifespan ended") > cut_off
    assert said[-1] == "the process has not ended within 15 s of being told to; it is cut off"


def test_the_longest_stop_has_time_for_the_drain_or_else_the_hooks_and_the_requests() -> None:
    assert longest_stop(drain_seconds=0, grace_seconds=20) == HANDOVER_SECONDS + 20 + CLOSING_SECONDS
    assert longest_stop(drain_seconds=60, grace_seconds=20) == 60 + 20 + CLOSING_SECONDS


# Over a real socket.


async def exchange(port: int, request: bytes) -> bytes:
    """All that the server answers to these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *lines, "", ""]).encode(
        "latin-1"
    )


async def test_requests_over_a_real_socket_are_answered() -> None:
    async with started() as service:
        large = b"x" * (3 * 1024 * 1024)

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(large), 65536):
                yield large[start : start + 65536]

        for path in ("/v1/body", "/v1/unread", "/nowhere"):
            refused_body = await service.client.post(path, content=large)
            assert refused_body.status_code == 413
            assert refused_body.headers["content-type"] == "application/problem+json"
            assert refused_body.json()["type"] == "/problems/content-too-large"
        chunked = await service.client.post("/v1/body", content=chunks())
        assert (chunked.status_code, chunked.json()["status"]) == (413, 413)
        assert (await service.client.post("/v1/body", content=b"abc")).json() == 3

        torn = await exchange(service.port, head("GET", "/v1/torn"))
        assert b"begun" in torn
        assert not torn.endswith(b"0\r\n\r\n")  # the last chunk is missing, so the client knows

        broken = await service.client.get("/v1/broken")
        assert (broken.status_code, "hunter2" in broken.text) == (500, False)

        answer = await exchange(service.port, head("GET", "/nowhere", "X-Request-ID: abc"))
        assert b"x-request-id: abc" in answer.lower()
        for spoilt in (
            b"\x00\x01\x02\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET /\r\n\r\n",
            head("GET", "/", "A: \x00"),
        ):
            assert not (await exchange(service.port, spoilt)).startswith(b"HTTP/1.1 5")
        assert "server" not in (await service.client.get("/livez")).headers
        service.terminate()
        assert await service.stopped() == 0
    lines = service.logged()
    assert all({"event", "level", "at", "service"} <= line.keys() for line in lines)
    written = "\n".join(service.output + service.errors)
    assert "hunter2" not in written
    assert any("exception" in line for line in lines)
    request_lines = [line for line in lines if line["event"] == "request"]
    assert {"/v1/body", "/v1/torn", "(no route)"} <= {line["route"] for line in request_lines}


def parse_answer(answer: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status, headers and JSON of an answer as it came over the wire."""
    start, _, body = answer.partition(b"\r\n\r\n")
    status_line, *lines = start.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert int(headers["content-length"]) == len(body)
    return int(status_line.split(" ")[1]), headers, json.loads(body)


NO_REQUESTS = {
    "bytes": b"\x00\x01\x02\r\n\r\n",
    "version": b"GET / HTTP/9.9\r\n\r\n",
    "header": head("GET", "/", "A: \x00"),
    "two lengths": head("POST", "/v1/body", "Content-Length: 1", "Content-Length: 2"),
    "chunk": head("POST", "/v1/body", "Transfer-Encoding: chunked") + b"zz\r\n",
    "path": "GET /\u00e9 HTTP/1.1\r\nHost: x\r\n\r\n".encode("latin-1"),
    "after a request": head("GET", "/livez").replace(b"Connection: close\r\n", b"") + b"\x00\r\n\r\n",
}


async def test_what_the_parser_refuses_is_a_problem_document() -> None:
    async with started() as service:
        for name, spoilt in NO_REQUESTS.items():
            answer = await exchange(service.port, spoilt)
            status, headers, problem = parse_answer(answer[answer.rindex(b"HTTP/1.1 4") :])
            assert status == 400, name
            assert headers["content-type"] == "application/problem+json"
            assert headers["connection"] == "close"
            assert headers["cache-control"] == "no-store"
            assert problem == {
                "type": "/problems/bad-request",
                "title": "The request cannot be read",
                "status": 400,
                "detail": "The bytes are no HTTP/1.1 request; look at its first line and its headers.",
                "request_id": headers["x-request-id"],
            }
        own = await exchange(service.port, head("GET", "/", "X-Request-ID: mine", "A: \x00"))
        assert parse_answer(own)[2]["request_id"] == "mine"
        await service.said("mine")


HANDSHAKE = ("Connection: Upgrade", "Upgrade: websocket", "X-Request-ID: mine")
HANDSHAKES = {
    "key": (400, head("GET", "/livez", *HANDSHAKE, "Sec-WebSocket-Key: xx")),
    "method": (405, head("POST", "/v1/socket", *HANDSHAKE)),
}


async def test_a_handshake_that_opens_no_web_socket_is_answered_with_a_problem_document() -> None:
    async with started() as service:
        for name, (expected, handshake) in HANDSHAKES.items():
            status, headers, problem = parse_answer(await exchange(service.port, handshake))
            assert (status, problem["status"]) == (expected, expected), name
            assert headers["content-type"] == "application/problem+json"
            assert (headers["connection"], headers["cache-control"]) == ("close", "no-store")
            assert headers["x-request-id"] == problem["request_id"] == "mine"
            assert problem["detail"] == "The handshake opens no web socket; see RFC 6455, section 4.1."
            assert headers.get("allow") == ("get" if expected == 405 else None)
        many = head("GET", "/v1/socket", *HANDSHAKE, *(f"X-{number}: x" for number in range(200)))
        for unread in (many, head("GET", "/v1/socket", *HANDSHAKE, "Content-Length: 1")):
            status, headers, problem = parse_answer(await exchange(service.port, unread))
            assert (status, headers["x-request-id"]) == (400, problem["request_id"])
            assert problem["detail"] == "The handshake has a body, or headers that are too many or too long."
        async with open_socket(service.port, "/v1/socket") as socket:
            assert await socket.receive_text() == "hello"


async def test_headers_over_the_limit_are_a_problem_document() -> None:
    async with started() as service:
        start = b"GET /livez HTTP/1.1\r\nX-Request-ID: mine\r\nX-Filler: "
        # Not a byte more: what a server has not read when it closes makes the answer get lost.
        answer = await exchange(service.port, start.ljust(64 * 1024 + 1, b"x"))
        status, headers, problem = parse_answer(answer)
        assert (status, headers["content-type"]) == (431, "application/problem+json")
        assert (headers["connection"], headers["x-request-id"]) == ("close", "mine")
        assert problem == {
            "type": "/problems/request-header-fields-too-large",
            "title": "Request header fields too large",
            "status": 431,
            "detail": "Send at most 64 KiB of headers.",
            "request_id": "mine",
        }


async def test_the_status_of_a_refusal_is_logged_as_a_number() -> None:
    async with started(LOG_FORMAT="console", NO_COLOR="1") as service:
        await exchange(service.port, b"GET /livez HTTP/1.1\r\nX-Filler: ".ljust(64 * 1024 + 1, b"x"))
        await service.said("refused by the parser")
        (line,) = [line for line in service.output if "refused by the parser" in line]
        assert "status=431" in line


async def test_headers_without_end_are_cut_off() -> None:
    async with started() as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
        answer = b""
        with contextlib.suppress(ConnectionError):
            for number in range(400):
                writer.write(b"X-Filler-%d: %s\r\n" % (number, b"x" * 10_000))
                await writer.drain()
        with contextlib.suppress(ConnectionError):
            answer = await reader.read()
        writer.close()
        # The server may close before the client has read what it was told: either way it did not take 4 MB.
        assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
        assert (await exchange(running.port, head("GET", "/livez"))).startswith(b"HTTP/1.1 200")
