"""Notices between processes that a lobby's log has grown: `lobby:seq`, after the commit, by PostgreSQL or by Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol
from uuid import UUID

from dbcommon.engine import Database
from dbcommon.jobs.periodic import run_every
from dbcommon.schedule import Schedule

CHANNEL = "l2p_lobbies"

WINDOW_SECONDS = 0.005
"""Notices are collected for so long and sent together: each commit of a NOTIFY locks the whole server."""

ALL_LOBBIES = UUID(int=0)
"""In place of a lobby: every process is to look at all of its lobbies, and for games without a driver."""

_IDLE = Schedule(seconds=60.0)

Hear = Callable[[UUID | None, int], None]
"""Called with a lobby and the `seq` of its newest event; with None when notices may have been lost."""

Receive = Callable[[str | None], None]
"""Called with each payload that arrives; with None when some may have been lost."""


class Carrier(Protocol):
    """What carries notices. One that is lost is found by polling."""

    def receiving(self, receive: Receive) -> AbstractAsyncContextManager[None]:
        """Pass on what arrives while the block runs, also what this process sent."""

    async def publish(self, payloads: Sequence[str]) -> None:
        """Send to all processes. A failure is an exception that `faults` names."""

    @property
    def faults(self) -> tuple[type[Exception], ...]:
        """What `publish` raises while the server is away, besides `DatabaseError`."""


class PostgresCarrier:
    """Carries notices by NOTIFY, over the listener's connection."""

    faults = ()

    def __init__(self, database: Database) -> None:
        self._listener = database.listener

    @asynccontextmanager
    async def receiving(self, receive: Receive) -> AsyncIterator[None]:
        """See `Carrier`."""
        with self._listener.subscribed(CHANNEL, receive):
            yield

    async def publish(self, payloads: Sequence[str]) -> None:
        """See `Carrier`."""
        await self._listener.notify(CHANNEL, payloads)


class Notices:
    """Sends and receives notices."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._moved: dict[UUID, int] = {}
        self._wake = asyncio.Event()

    def send(self, lobby_id: UUID, seq: int) -> None:
        """Tell the other processes that the log has events up to `seq`. It waits for nothing."""
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

        async with (
            self._carrier.receiving(receive),
            run_every(
                _IDLE,
                self._flush,
                name="the notices of lobbies",
                wake=self._wake,
                expected=self._carrier.faults,
            ),
        ):
            yield

    async def _flush(self) -> None:
        await asyncio.sleep(WINDOW_SECONDS)
        moved, self._moved = self._moved, {}
        if moved:
            await self._carrier.publish([f"{lobby_id}:{seq}" for lobby_id, seq in moved.items()])
