"""An Auth that knows its own URL, on a port of 127.0.0.1, for clients that use discovery."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import uvicorn

from webcommon.app.service import Service


@contextlib.asynccontextmanager
async def serving(make: Callable[[str], Service]) -> AsyncIterator[str]:
    """Serve the application that `make` gives for a URL, until the block ends; that URL."""
    # The socket listens before the server runs: early connections wait in its queue, and no test has to poll.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(make(url), log_config=None, ws="none"))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield url
        finally:
            server.should_exit = True
            await task
