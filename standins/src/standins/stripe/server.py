"""The stand-in on a real socket, in the event loop of a test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import uvicorn

from standins.openid_provider.server import listen
from standins.stripe.app import create_app
from standins.stripe.standin import StandIn
from standins.stripe.webhooks import Endpoint


@contextlib.asynccontextmanager
async def running_standin(
    *, endpoints: list[Endpoint] | None = None, port: int = 0
) -> AsyncIterator[StandIn]:
    """A stand-in that serves while the block runs, at its account's `base_url`."""
    listener = listen(port)
    standin = StandIn(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", endpoints=endpoints)
    server = Server(
        uvicorn.Config(
            create_app(standin),
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=240,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    delivering = asyncio.create_task(standin.deliveries.run())
    try:
        yield standin
    finally:
        server.should_exit = server.force_exit = True
        delivering.cancel()
        await asyncio.wait([serving, delivering])
        listener.close()


class Server(uvicorn.Server):
    """A server that leaves signals to the test runner."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """No signal is taken."""
        yield
