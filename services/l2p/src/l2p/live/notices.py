"""Notices between processes that a lobby's log has grown: `lobby:seq` by NOTIFY, after the commit."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

from dbcommon.engine import Database
from dbcommon.jobs.periodic import run_every
from dbcommon.schedule import Schedule

logger = logging.getLogger(__name__)

CHANNEL = "l2p_lobbies"

WINDOW_SECONDS = 0.005
"""Notices are collected for so long and sent in one statement: each commit of a NOTIFY locks the whole server."""

ALL_LOBBIES = UUID(int=0)
"""In place of a lobby: every process is to look at all of its lobbies, and for games without a driver."""

_IDLE = Schedule(seconds=60.0)

Hear = Callable[[UUID | None, int], None]
"""Called with a lobby and the `seq` of its newest event; with None when notices may have been lost."""


class PostgresNotices:
    """Sends notices over the listener's connection. One that is lost is found by polling."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._moved: dict[UUID, int] = {}
        self._wake = asyncio.Event()

    def send(self, lobby_id: UUID, seq: int) -> None:
        """Tell the other processes that the log has events up to `seq`."""
        self._moved[lobby_id] = max(seq, self._moved.get(lobby_id, 0))
        self._wake.set()

    @asynccontextmanager
    async def running(self, hear: Hear) -> AsyncIterator[None]:
        """Send and receive notices while the block runs."""

        def receive(payload: str | None) -> None:
            if payload is None:
                hear(None, 0)
                return
            lobby, _, seq = payload.partition(":")
            hear(None if UUID(lobby) == ALL_LOBBIES else UUID(lobby), int(seq))

        with self._database.listener.subscribed(CHANNEL, receive):
            async with run_every(_IDLE, self._flush, name="the notices of lobbies", wake=self._wake):
                yield

    async def _flush(self) -> None:
        await asyncio.sleep(WINDOW_SECONDS)
        moved, self._moved = self._moved, {}
        if moved:
            payloads = [f"{lobby_id}:{seq}" for lobby_id, seq in moved.items()]
            await self._database.listener.notify(CHANNEL, payloads)
