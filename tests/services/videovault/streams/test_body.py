"""Bodies of files on real sockets: clients that go away or wait, files that change, a server that stops."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send

from tests.clients import certificates
from tests.raw_sockets import Unread, connect_unread
from videovault.streams.body import CHUNK, FileBody, OpenStreams, Piece
from videovault.streams.opening import OpenFile
from webcommon.app.http_protocol import BoundedHeadersProtocol

CHUNKS = 40
"""More than both ends' kernels keep for a client that does not read."""


class CountingFile(OpenFile):
    """A file that notes what is read of it."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self.reads: list[tuple[int, int]] = []

    def read(self, first: int, size: int) -> bytes:
        """Note the place and the size, and read."""
        self.reads.append((first, size))
        return super().read(first, size)


@dataclass
class Film:
    """A file with numbered chunks, and the responses with it."""

    path: Path
    streams: OpenStreams
    files: list[CountingFile] = field(default_factory=list)
    session_id: UUID = field(default_factory=uuid4)

    def body(self, **options: Any) -> FileBody:
        """A response with all of the file."""
        file = CountingFile.below(
            os.fsencode(self.path.parent), os.fsencode(self.path), allowed=[os.fsencode(self.path.parent)]
        )
        self.files.append(file)
        size = file.facts.size
        headers = {"Content-Length": str(size)}
        pieces = [Piece(b"", 0, size)]
        return FileBody(
            file,
            pieces,
            streams=self.streams,
            session_id=self.session_id,
            status=200,
            headers=headers,
            **options,
        )

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file to whoever asks."""
        await self.body(stopping_seconds=0.05)(scope, receive, send)


def write_film(path: Path, *, marked: bytes) -> None:
    with path.open("wb") as file:
        for number in range(CHUNKS):
            file.write((marked + str(number).encode()).ljust(CHUNK, b"."))


@pytest.fixture
def film(tmp_path: Path) -> Iterator[Film]:
    path = tmp_path.resolve() / "a.mp4"
    write_film(path, marked=b"old")
    streams = OpenStreams()
    with streams.readers.running():
        yield Film(path, streams)


@contextlib.asynccontextmanager
async def serving(film: Film) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    """A server as the services run, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            film.app,
            interface="asgi3",
            http=BoundedHeadersProtocol,
            log_config=None,
            lifespan="off",
            ws="none",
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield server, listener.getsockname()[1]
        finally:
            server.should_exit = True
            await task


@contextlib.asynccontextmanager
async def asking(port: int) -> AsyncIterator[Unread]:
    """A client that has asked, and reads the head of the response and no more."""
    loop = asyncio.get_running_loop()
    with await connect_unread(port) as raw:
        await loop.sock_sendall(raw, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            head += await loop.sock_recv(raw, 1)
        assert head.startswith(b"HTTP/1.1 200")
        yield raw


async def until(condition: Callable[[], bool]) -> None:
    """Return when it holds."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def read_rest(raw: Unread) -> bytes:
    """What still comes. Raises ConnectionError when the other side cuts the connection off."""
    received = bytearray()
    while part := await asyncio.get_running_loop().sock_recv(raw, CHUNK):
        received += part
    return bytes(received)


async def test_a_client_that_goes_away_frees_the_file(film: Film) -> None:
    async with serving(film) as (_, port):
        async with asking(port):
            assert not film.files[0].is_closed
        await until(lambda: film.files[0].is_closed)


async def test_a_whole_response_frees_the_file_and_leaves_the_connection(film: Film) -> None:
    async with serving(film) as (_, port), httpx.AsyncClient(verify=certificates()) as client:
        for _ in range(2):
            answer = await client.get(f"http://127.0.0.1:{port}/")
            assert answer.content == film.path.read_bytes()
            await until(lambda: film.files[-1].is_closed)
    assert len(film.files) == 2


async def test_a_client_that_waits_keeps_two_chunks_and_no_more(film: Film) -> None:
    sent: list[Message] = []
    waiting, going_on = asyncio.Event(), asyncio.Event()

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body":
            waiting.set()
            await going_on.wait()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    body = film.body()
    task = asyncio.create_task(body({"type": "http"}, receive, send))
    await waiting.wait()
    await until(lambda: len(film.files[0].reads) == 2)
    for _ in range(100):
        await asyncio.sleep(0)
    assert film.files[0].reads == [(0, CHUNK), (CHUNK, CHUNK)]
    going_on.set()
    await task
    assert b"".join(message.get("body", b"") for message in sent) == film.path.read_bytes()
    assert max(len(message.get("body", b"")) for message in sent) == CHUNK
    assert film.files[0].is_closed


async def test_a_file_that_is_replaced_is_sent_to_its_end(film: Film) -> None:
    before = film.path.read_bytes()
    new = film.path.with_name("new")
    write_film(new, marked=b"new")
    async with serving(film) as (_, port), asking(port) as raw:
        new.replace(film.path)
        loop = asyncio.get_running_loop()
        received = bytearray()
        while len(received) < len(before):
            received += await loop.sock_recv(raw, CHUNK)
    assert bytes(received) == before


@pytest.mark.parametrize("size", [CHUNK, CHUNK * CHUNKS], ids=["shortened", "written to"])
async def test_a_file_that_changes_ends_the_response_before_its_end(film: Film, size: int) -> None:
    async with serving(film) as (_, port), asking(port) as raw:
        with film.path.open("r+b") as file:
            file.truncate(size)
        os.utime(film.path, ns=(1, 1))
        with pytest.raises(ConnectionError):
            await read_rest(raw)
        await until(lambda: film.files[0].is_closed)


async def test_a_reader_whose_session_ends_gets_no_more(film: Film) -> None:
    async with serving(film) as (_, port), asking(port) as raw:
        film.streams.end_sessions(lambda session_id: session_id != film.session_id)
        assert not film.files[0].is_closed
        film.streams.end_sessions(lambda session_id: session_id == film.session_id)
        with pytest.raises(ConnectionError):
            await read_rest(raw)
        await until(lambda: film.files[0].is_closed)


async def test_a_server_that_stops_does_not_wait_for_a_client_that_waits(film: Film) -> None:
    async with serving(film) as (server, port), asking(port) as raw:
        server.should_exit = True
        await until(lambda: film.files[0].is_closed)
        with pytest.raises(ConnectionError):
            await read_rest(raw)
