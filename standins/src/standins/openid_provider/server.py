"""The provider on a real socket, in the event loop of a test."""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator, Iterator, Sequence

import uvicorn

from standins.openid_provider.app import create_app
from standins.openid_provider.provider import Client, Person, Provider


def listen(port: int = 0) -> socket.socket:
    """A listening socket on 127.0.0.1; port 0 is any free one."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


@contextlib.asynccontextmanager
async def running_provider(
    *, redirect_uris: Sequence[str], people: Sequence[Person] = (), port: int = 0, host: str = "127.0.0.1"
) -> AsyncIterator[Provider]:
    """A provider that serves while the block runs, with a new client and secret. `host`: the host of its issuer URL."""
    listener = listen(port)
    client = Client(
        id=f"{secrets.token_hex(6)}.clients.example",
        secret=secrets.token_urlsafe(24),
        redirect_uris=tuple(redirect_uris),
    )
    issuer = f"http://{host}:{listener.getsockname()[1]}"
    provider = Provider(issuer=issuer, client=client, people=list(people))
    server = _Server(
        uvicorn.Config(
            create_app(provider),
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
            # As long as Google's, so that a client does not use a connection that is just being closed.
            timeout_keep_alive=240,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield provider
    finally:
        server.should_exit = server.force_exit = True
        await task
        listener.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the test runner."""
        yield
