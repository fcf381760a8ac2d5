"""The HTTP protocol on a recorded transport: in which portions an answer is sent."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from webcommon.app.http_protocol import BoundedHeadersProtocol

START = {"type": "http.response.start", "status": 200}


class RecordedTransport(asyncio.Transport):
    """Keeps what is written, a portion for each call of the kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.portions: list[bytes] = []
        self.closed = asyncio.Event()

    def write(self, data: Any) -> None:
        self.portions.append(bytes(data))

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.portions.append(b"".join(list_of_data))

    def close(self) -> None:
        self.closed.set()

    def is_closing(self) -> bool:
        return self.closed.is_set()


async def serve(
    app: Callable[[Scope, Receive, Send], Any], received: bytes, *, then: bytes | None = None
) -> list[bytes]:
    """The portions of the answer to these bytes, up to the connection's end. `then` arrives in the turn of the answer."""

    async def app_and_then(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        if then is not None:
            protocol.data_received(then)

    config = uvicorn.Config(app_and_then, lifespan="off", log_config=None, http=BoundedHeadersProtocol)
    config.load()
    protocol = BoundedHeadersProtocol(config=config, server_state=ServerState(), app_state={})
    transport = RecordedTransport()
    protocol.connection_made(transport)
    protocol.data_received(received)
    async with asyncio.timeout(10):
        await transport.closed.wait()
    protocol.connection_lost(None)
    return transport.portions


def ask(method: str = "GET", *, close: bool = True) -> bytes:
    return (
        f"{method} / HTTP/1.1\r\nHost: x\r\nConnection: {'close' if close else 'keep-alive'}\r\n\r\n".encode()
    )


async def test_headers_and_body_are_sent_at_once() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"whole"})

    (only,) = await serve(app, ask())
    assert only.startswith(b"HTTP/1.1 200 OK\r\n")
    assert only.endswith(b"\r\n\r\nwhole")


async def test_headers_do_not_wait_for_a_body_that_comes_later() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": []})
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await send({"type": "http.response.body", "body": b"second"})

    headers, first, second = await serve(app, ask())
    assert headers.endswith(b"\r\n\r\n")
    assert (b"first" in first, second.endswith(b"second\r\n0\r\n\r\n")) == (True, True)


async def test_an_answer_without_a_body_comes_before_the_refusal_of_what_follows() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"whole"})

    portions = await serve(app, ask("HEAD", close=False), then=b"no request\r\n\r\n")
    sent = b"".join(portions)
    assert sent.index(b"HTTP/1.1 200") < sent.index(b"HTTP/1.1 400")
