"""A service as a process: requests over a real socket, and bytes that are not HTTP."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.libs.webcommon.tiny_process import started
from tests.sockets import open_socket

pytestmark = pytest.mark.long


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
        # Not a byte more: a server that closes with unread bytes resets the connection, and its answer is lost.
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
