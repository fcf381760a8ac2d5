"""Turns of requests that change one lobby.

Such requests wait for the lobby's row anyway. Here they wait before they take a connection, so that hundreds who leave at once,
or chat, leave connections for the games that run. Joining and getting ready take no turn: they are done in batches (`seats`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from webcommon.api.problems import ServiceUnavailable

LONGEST_WAIT_SECONDS = 2.0
"""As long as a request waits for a connection."""

AT_ONCE = 2
"""Requests of one lobby that hold a connection: one that works, and one that is ready to."""


class LobbyBusy(ServiceUnavailable):
    """503: too many requests change this lobby."""

    title = "The lobby is busy"
    slug = "lobby-busy"

    def __init__(self) -> None:
        super().__init__("Too many requests change this lobby at the moment. Try again in a second.")


class LobbyTurns:
    """The requests of this process that change a lobby, or wait for it."""

    def __init__(self) -> None:
        self._turns: dict[UUID, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def turn(self, lobby_id: UUID) -> AsyncIterator[None]:
        """Wait for a turn, and keep it for the length of the block. Raises `LobbyBusy`."""
        semaphore, users = self._turns.get(lobby_id, (asyncio.Semaphore(AT_ONCE), 0))
        self._turns[lobby_id] = semaphore, users + 1
        try:
            try:
                async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                    await semaphore.acquire()
            except TimeoutError:
                raise LobbyBusy from None
            try:
                yield
            finally:
                semaphore.release()
        finally:
            semaphore, users = self._turns[lobby_id]
            if users == 1:
                del self._turns[lobby_id]
            else:
                self._turns[lobby_id] = semaphore, users - 1
