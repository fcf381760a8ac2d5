"""Clients that use a database all the time, and connect again at once when their connection ends."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator

import asyncpg

from tests.ops.command import wait_until
from tests.ops.provisioned_server import ProvisionedServer

CLIENTS = 8
PAUSE_SECONDS = 0.01
ENDED = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


class Clients:
    """What they saw: `answers`, `refusals`, and the `gaps` between answers of each, in seconds."""

    def __init__(self, server: ProvisionedServer, role: str, database: str) -> None:
        self.answers = [0] * CLIENTS
        self.connections = [0] * CLIENTS
        self.gaps: list[float] = []
        self._server = server
        self._role = role
        self._database = database
        self._stopping = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """At work for the length of a block."""
        thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="clients")
        thread.start()
        try:
            self.wait_for_answers()
            yield
        finally:
            self._stopping.set()
            thread.join()

    def wait_for_answers(self) -> None:
        """Until each of them has had one more."""
        before = list(self.answers)
        wait_until(lambda: all(now > then for now, then in zip(self.answers, before, strict=True)))

    async def _run(self) -> None:
        await asyncio.gather(*(self._use(number) for number in range(CLIENTS)))

    async def _use(self, number: int) -> None:
        answered_at = time.monotonic()
        while not self._stopping.is_set():
            with contextlib.suppress(*ENDED):
                async with self._server.connection(self._role, self._database) as connection:
                    self.connections[number] += 1
                    while not self._stopping.is_set():
                        await connection.execute("SELECT count(*) FROM users")
                        self.answers[number] += 1
                        self.gaps.append(time.monotonic() - answered_at)
                        answered_at = time.monotonic()
                        await asyncio.sleep(PAUSE_SECONDS)
            await asyncio.sleep(PAUSE_SECONDS)
