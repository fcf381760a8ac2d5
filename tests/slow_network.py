"""A network between a client and a server on this machine: every byte takes a while in both directions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def slow_network(port: int, *, seconds: float) -> AsyncIterator[int]:
    """A port that leads to `port`; what is sent arrives `seconds` later, in its order, and so does the end."""
    tasks: set[asyncio.Task[None]] = set()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        for ends in ((reader, far_writer), (far_reader, writer)):
            tasks.add(asyncio.create_task(_carry(ends, seconds)))

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _carry(ends: Ends, seconds: float) -> None:
    reader, writer = ends
    on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    receiving = asyncio.create_task(_receive(reader, on_the_way, seconds))
    loop = asyncio.get_running_loop()
    try:
        with contextlib.suppress(ConnectionError):
            while True:
                at, part = await on_the_way.get()
                await asyncio.sleep(at - loop.time())
                if not part:
                    break
                writer.write(part)
                await writer.drain()
    finally:
        receiving.cancel()
        writer.close()


async def _receive(
    reader: asyncio.StreamReader, on_the_way: "asyncio.Queue[tuple[float, bytes]]", seconds: float
) -> None:
    loop = asyncio.get_running_loop()
    part = b"-"
    while part:
        try:
            part = await reader.read(65536)
        except ConnectionError:
            part = b""
        on_the_way.put_nowait((loop.time() + seconds, part))
