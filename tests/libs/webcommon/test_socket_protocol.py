"""Web sockets on a running server: clients that do not read, send too much, or send what is no text."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator

import psutil
import pytest
from websockets.frames import Opcode

from tests.libs.webcommon.tiny_process import Running, started
from tests.raw_sockets import open_unread, write_frame
from tests.sockets import open_socket
from webcommon.app.socket_protocol import MESSAGE_LIMIT, PING_SECONDS

SECONDS = 30


@pytest.fixture(scope="module")
async def service() -> AsyncIterator[Running]:
    async with started() as running:
        yield running


def has_connection_of(service: Running, raw: socket.socket) -> bool:
    """Whether the server's process still has the other end."""
    port = raw.getsockname()[1]
    ends = psutil.Process(service.process.pid).net_connections("tcp")
    return any(end.raddr and end.raddr.port == port for end in ends)


async def test_a_client_that_does_not_read_is_cut_off(service: Running) -> None:
    async with open_unread(service.port, "/v1/flood") as raw:
        assert has_connection_of(service, raw)
        async with asyncio.timeout(SECONDS):
            while has_connection_of(service, raw):  # noqa: ASYNC110 - another process ends it
                await asyncio.sleep(0.05)
        # A reset, after the little that the kernel had taken; by itself it would take 2.8 MB.
        received = bytearray()
        with pytest.raises(ConnectionResetError):
            await read_into(raw, received)
        assert len(received) < 1_000_000


async def test_a_client_that_reads_again_gets_the_code(service: Running) -> None:
    async with open_socket(service.port, "/v1/flood?name=-2", max_queue=1) as client:
        await service.said("the flood-2 ended")
        assert await client.closed() == 1013


async def test_pings_of_a_client_that_does_not_read_are_not_all_answered(service: Running) -> None:
    loop = asyncio.get_running_loop()
    pings = 40_000
    async with open_unread(service.port, "/v1/echo") as raw:
        for _ in range(pings // 1000):
            await loop.sock_sendall(raw, write_frame(Opcode.PING, bytes(125)) * 1000)
        await loop.sock_sendall(raw, write_frame(Opcode.TEXT, b"last"))
        received = bytearray()
        async with asyncio.timeout(SECONDS):
            while not received.endswith(b"last"):
                received += await loop.sock_recv(raw, 65536)
    assert len(received) < pings * 127 / 2


async def test_a_message_at_the_limit_is_taken_and_one_above_it_closes_with_1009(service: Running) -> None:
    async with open_socket(service.port, "/v1/echo") as client:
        await client.send_text("x" * MESSAGE_LIMIT)
        assert await client.receive_text() == "x" * MESSAGE_LIMIT
        await client.send_text("x" * (MESSAGE_LIMIT + 1))
        assert await client.closed() == 1009


async def test_a_message_far_above_the_limit_closes_with_1009(service: Running) -> None:
    # The client's library may fail to close a connection that the server has cut off.
    with contextlib.suppress(AttributeError):
        async with open_socket(service.port, "/v1/echo") as client:
            sending = asyncio.create_task(client.send_text("x" * 5_000_000))
            close_code = await client.closed()
            with contextlib.suppress(Exception):
                await sending
    assert close_code == 1009


async def test_a_message_of_too_many_empty_fragments_closes_with_1009(service: Running) -> None:
    loop = asyncio.get_running_loop()
    async with open_unread(service.port, "/v1/echo") as raw:
        first = write_frame(Opcode.TEXT, b"", is_last=False)
        await loop.sock_sendall(raw, first + write_frame(Opcode.CONT, b"", is_last=False) * 2000)
        assert await read_close_code(raw) == 1009


@pytest.mark.parametrize("payload", [b"\xff", b"abc\xed\xa0\x80", b"\xf0\x9f"])
async def test_a_text_that_is_not_utf_8_closes_with_1007(service: Running, payload: bytes) -> None:
    async with open_unread(service.port, "/v1/echo") as raw:
        await asyncio.get_running_loop().sock_sendall(raw, write_frame(Opcode.TEXT, payload))
        assert await read_close_code(raw) == 1007
    assert not any("Invalid UTF-8" in line for line in service.output)


async def read_into(raw: socket.socket, received: bytearray) -> None:
    """Read up to the end of the connection."""
    while part := await asyncio.get_running_loop().sock_recv(raw, 65536):
        received += part


async def read_close_code(raw: socket.socket) -> int:
    """The code of the server's close frame, which is the last one before the end of the connection."""
    received = bytearray()
    async with asyncio.timeout(SECONDS):
        await read_into(raw, received)
    # A ping before it may have that byte among its random ones.
    start = received.rindex(bytes([0x80 | Opcode.CLOSE]))
    (code,) = struct.unpack("!H", received[start + 2 : start + 4])
    return int(code)


async def test_the_round_trip_is_measured_from_the_start(service: Running) -> None:
    async with open_socket(service.port, "/v1/lag") as client:
        async with asyncio.timeout(PING_SECONDS):
            lag = 0
            while not lag:
                await client.send_text("")
                lag = await client.receive()
        assert lag > 0
