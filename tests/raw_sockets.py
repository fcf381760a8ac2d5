"""Web sockets without a library, for clients that do what no library does."""

import asyncio
import base64
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator

from websockets.frames import Opcode


class Unread(socket.socket):
    """A client's end of a web socket that nobody reads."""

    def reset(self) -> None:
        """Close so that the other side gets a reset, as after the end of a phone's network."""
        self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()


async def connect_unread(port: int) -> Unread:
    """A connection with as little room for what is not read as the kernel allows."""
    raw = Unread()
    raw.setblocking(False)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    return raw


@contextlib.asynccontextmanager
async def open_unread(
    port: int, path: str, *, subprotocol: str | None = None, first: str | None = None
) -> AsyncIterator[Unread]:
    """A web socket after its handshake, and after a `first` message."""
    loop = asyncio.get_running_loop()
    with await connect_unread(port) as raw:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: x",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            *([f"Sec-WebSocket-Protocol: {subprotocol}"] if subprotocol else []),
        ]
        await loop.sock_sendall(raw, "\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += await loop.sock_recv(raw, 1)
        assert answer.startswith(b"HTTP/1.1 101")
        if first is not None:
            await loop.sock_sendall(raw, write_frame(Opcode.TEXT, first.encode()))
        yield raw


def write_frame(opcode: int, payload: bytes, *, is_last: bool = True) -> bytes:
    """A client's frame, masked with zeros."""
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else bytes([0xFE]) + struct.pack("!H", length)
    return bytes([opcode | (0x80 if is_last else 0)]) + size + bytes(4) + payload
