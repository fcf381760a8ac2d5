"""A proxy between a client and a server on this machine that ends connections on which the server is silent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def impatient_proxy(port: int, *, seconds: float) -> AsyncIterator[int]:
    """A port that leads to `port`, until the server sends nothing for so long (nginx: `proxy_read_timeout`)."""
    tasks: set[asyncio.Task[None]] = set()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        tasks.add(asyncio.create_task(_carry(reader, far_writer, seconds=None)))
        tasks.add(asyncio.create_task(_carry(far_reader, writer, seconds=seconds)))

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, seconds: float | None
) -> None:
    try:
        with contextlib.suppress(ConnectionError, TimeoutError):
            while True:
                async with asyncio.timeout(seconds):
                    part = await reader.read(65536)
                if not part:
                    break
                writer.write(part)
                await writer.drain()
    finally:
        writer.close()
