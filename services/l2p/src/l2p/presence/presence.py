"""Who is connected to which lobby through this process, as rows that belong to the process's heartbeat."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from dbcommon.engine import Database
from dbcommon.errors import DatabaseError
from dbcommon.jobs.periodic import run_every
from dbcommon.schedule import Schedule
from l2p.presence import repository
from l2p.presence.repository import Connection

HEARTBEAT_SCHEDULE = Schedule(seconds=2.0, retry_seconds=0.5, at_once=True)
"""Of a process that was silent for 6 s no connection counts."""

SILENT_SECONDS = 4.0
"""After a longer silence of its own a process stores its connections anew."""

TOUCH_SECONDS = 5.0
"""A user's calls on one lobby are stored at most so often; each counts for 15 s."""

REMEMBERED = 50_000

WINDOW_SECONDS = 0.05
"""Connections and calls are collected for so long and stored in one statement."""

_IDLE = Schedule(seconds=60.0, retry_seconds=0.5)


class Presence:
    """Counts the open sockets and event streams of each user and lobby, and stores which there are."""

    def __init__(self, database: Database, *, process_id: UUID) -> None:
        self._database = database
        self._process_id = process_id
        self._open: Counter[Connection] = Counter()
        self._stored: set[Connection] = set()
        self._touched: dict[Connection, float] = {}
        """Calls over HTTP, with the time of the event loop at which they were stored last."""
        self._calls: set[Connection] = set()
        self._has_heartbeat = False
        self._beat_at = time.monotonic()
        self._wake = asyncio.Event()

    def connected(self, lobby_id: UUID, user_id: UUID) -> None:
        """A socket or event stream of the user was opened."""
        self._open[lobby_id, user_id] += 1
        self._wake.set()

    async def admit_spectator(self, lobby_id: UUID, user_id: UUID, *, most: int) -> bool:
        """Whether a user without a seat is one of the lobby's `most` spectators, counted over all processes.

        Call `connected` at once if so. Raises `DatabaseError`.
        """
        connection = lobby_id, user_id
        if not self._has_heartbeat:
            await self._beat()
        try:
            async with self._database.transaction() as db:
                await repository.lock_lobby(db, lobby_id)
                return await repository.admit_spectator(db, self._process_id, connection, most=most)
        finally:
            # A client that left on the way here is found to be gone.
            self._stored.add(connection)
            self._wake.set()

    def disconnected(self, lobby_id: UUID, user_id: UUID) -> None:
        """One of them was closed."""
        self._open[lobby_id, user_id] -= 1
        if not self._open[lobby_id, user_id]:
            del self._open[lobby_id, user_id]
        self._wake.set()

    def touch(self, lobby_or_game_id: UUID, user_id: UUID) -> None:
        """The user called a route of a lobby or of its game: they count as connected for 15 s."""
        call, now = (lobby_or_game_id, user_id), time.monotonic()
        if now - self._touched.get(call, float("-inf")) < TOUCH_SECONDS:
            return
        if len(self._touched) >= REMEMBERED:
            del self._touched[next(iter(self._touched))]
        self._touched[call] = now
        self._calls.add(call)
        self._wake.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Store heartbeats and connections while the block runs."""
        async with (
            run_every(HEARTBEAT_SCHEDULE, self._beat, name="the heartbeat of this process"),
            run_every(_IDLE, self._store, name="the connections of this process", wake=self._wake),
        ):
            yield
        try:
            await repository.forget_process(self._database, self._process_id)
        except DatabaseError:
            return  # Its heartbeat will be too old soon.

    async def _beat(self) -> None:
        is_new = await repository.store_heartbeat(self._database, self._process_id)
        now = time.monotonic()
        if is_new or now - self._beat_at > SILENT_SECONDS:
            # Its connections were deleted, or may have been since the database was away.
            self._stored.clear()
            self._wake.set()
        self._beat_at = now
        self._has_heartbeat = True

    async def _store(self) -> None:
        await asyncio.sleep(WINDOW_SECONDS)
        if not self._has_heartbeat:
            await self._beat()
        current = set(self._open)
        calls, self._calls = self._calls, set()
        if calls:
            await repository.touch(self._database, calls)
        if new := current - self._stored:
            await repository.connect(self._database, self._process_id, new)
            self._stored |= new
        if gone := self._stored - current:
            await repository.disconnect(self._database, self._process_id, gone)
            self._stored -= gone
