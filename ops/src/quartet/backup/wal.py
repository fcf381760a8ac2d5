"""Receives the server's WAL as it is written, and ships it: finished segments at once, the unfinished one again and again.

PostgreSQL's `pg_receivewal` writes the files; a replication slot has the server keep what was not received. Of both there
is a bound: a destination that stays away fills neither this disk nor the server's.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import asyncpg
from pyrage.x25519 import Recipient

from quartet.backup.archive import (
    HISTORY_NAME,
    PARTIAL,
    SEGMENT_NAME,
    ArchiveState,
    Period,
    lsn_number,
    object_path,
    read_state,
    require_server,
    write_state,
)
from quartet.backup.destination import Destination
from quartet.backup.sealing import Sealed
from quartet.backup.server import BackupServer
from quartet.backup.tools import Running
from quartet.errors import AlreadyRunning, BackupFailed, Failure

SLOT = "quartet_backup_wal"
TICK_SECONDS = 0.5
SHIP_SECONDS = 10.0
"""Between two shipments of the unfinished segment, when it grew."""

IDLE_SECONDS = 60.0
"""Between two notes that nothing was written."""

RETRY_SECONDS = 2.0
MOST_WAITING = 64
"""Finished segments (1 GB) that wait here for the destination; then the server has to keep them."""

_SERVER = """
    SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS identifier,
           current_setting('server_version_num')::int / 10000 AS major,
           (SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'wal_segment_size') AS segment_bytes
"""
_SLOT = """
    SELECT restart_lsn::text AS restart_lsn, active_pid, coalesce(wal_status, 'lost') AS status
    FROM pg_catalog.pg_replication_slots WHERE slot_name = $1
"""
_NOW = "SELECT clock_timestamp() AS at, pg_catalog.pg_current_wal_flush_lsn()::text AS lsn"
_RECEIVED = """
    SELECT restart_lsn::text FROM pg_catalog.pg_replication_slots WHERE slot_name = $1 AND active
"""
"""Synchronously received, WAL is on this disk before the slot moves past it."""


@dataclass(frozen=True)
class Mark:
    """A moment of the server's clock, and a position that no commit of before is beyond."""

    at: datetime
    lsn: str


class Receiver:
    """One `quartet backup wal`. `say` is told what an operator wants to know; `on_gap` makes a base after a gap."""

    def __init__(
        self,
        server: BackupServer,
        destination: Destination,
        recipient: Recipient,
        *,
        spool: Path,
        say: Callable[[str], None],
    ) -> None:
        self.stopping = asyncio.Event()
        self.receiving = asyncio.Event()
        self._server = server
        self._destination = destination
        self._recipient = recipient
        self._spool = spool
        self._say = say
        self._state: ArchiveState | None = None
        self._shipped: Mark | None = None
        self._shipped_at = 0.0
        self._said = ""

    async def run(self) -> None:
        """Receive and ship until `stopping` is set; what fails is said once and tried again.

        Raises AlreadyRunning when another receiver is at work, and BackupFailed when the destination has another
        server's WAL.
        """
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        while not self.stopping.is_set():
            try:
                await self._receive()
            except (AlreadyRunning, _WrongArchive):
                raise
            except (Failure, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                self._say_once(f"{error}; trying again")
            self.receiving.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), RETRY_SECONDS)

    async def _receive(self) -> None:
        async with self._server.connect(next(iter(self._server.databases.values()))) as connection:
            await self._prepare(connection)
            arguments = (f"--directory={self._spool}", f"--slot={SLOT}", "--no-loop", "--synchronous")
            with self._server.tools.consuming("pg_receivewal", *arguments, "--no-password") as running:
                try:
                    await self._ship_until_stopped(connection, running)
                finally:
                    await asyncio.to_thread(running.interrupt)
            if self.stopping.is_set():
                with contextlib.suppress(Failure):
                    await self._ship_finished()

    async def _prepare(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """The slot, and the period that it begins when it had to be made."""
        found = await connection.fetchrow(_SERVER)
        if found is None:
            raise BackupFailed("the server says nothing of itself: see its log")
        state = await asyncio.to_thread(read_state, self._destination)
        try:
            require_server(
                state, address=self._destination.address, identifier=found["identifier"], major=found["major"]
            )
        except BackupFailed as error:
            raise _WrongArchive(str(error)) from None
        self._server.tools.require_major(found["major"])
        self._state = state or ArchiveState(
            system_identifier=found["identifier"],
            server_major=found["major"],
            segment_bytes=found["segment_bytes"],
            periods=[],
        )
        slot = await connection.fetchrow(_SLOT, SLOT)
        if slot is not None and slot["active_pid"] is not None:
            raise AlreadyRunning(
                f"the WAL of this server is being received already (server process {slot['active_pid']}): end that first"
            )
        is_lost = slot is not None and slot["status"] == "lost"
        if is_lost:
            await connection.execute("SELECT pg_drop_replication_slot($1)", SLOT)
        if slot is None or is_lost or not self._state.periods:
            await self._begin_period(connection, has_slot=slot is not None and not is_lost)

    async def _begin_period(
        self, connection: "asyncpg.Connection[asyncpg.Record]", *, has_slot: bool
    ) -> None:
        assert self._state is not None  # noqa: S101  set by _prepare
        for path in self._spool.iterdir():  # of another slot, or another server
            path.unlink()
        if not has_slot:
            await connection.execute("SELECT pg_create_physical_replication_slot($1, true)", SLOT)
        begun = await connection.fetchrow(
            "SELECT clock_timestamp() AS at, restart_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = $1",
            SLOT,
        )
        if begun is None:
            raise BackupFailed("the replication slot is gone again: try again")
        if self._state.periods:
            before = self._state.periods[-1].covered_until
            self._say(
                f"the server no longer has the WAL from {before:%Y-%m-%dT%H:%M:%SZ} to {begun['at']:%Y-%m-%dT%H:%M:%SZ}:"
                " no time in between can be restored, nor one after it before the next `quartet backup full`"
            )
        self._state.periods.append(
            Period(
                began_at=begun["at"],
                began_lsn=begun["lsn"],
                covered_until=begun["at"],
                covered_lsn=begun["lsn"],
            )
        )
        await asyncio.to_thread(write_state, self._destination, self._state)

    async def _ship_until_stopped(
        self, connection: "asyncpg.Connection[asyncpg.Record]", running: Running
    ) -> None:
        while not self.stopping.is_set():
            if running.has_ended:
                running.finish()
                raise BackupFailed("pg_receivewal ended: see the server's log")
            if not self.receiving.is_set() and await connection.fetchval(_RECEIVED, SLOT):
                self.receiving.set()
                self._said = ""
                self._say(f"receiving into {self._destination.address}")
            await self._ship_finished()
            if self.receiving.is_set() and time.monotonic() - self._shipped_at >= SHIP_SECONDS:
                await self._ship_unfinished(connection)
            if len(self._finished()) > MOST_WAITING:
                raise BackupFailed(f"{MOST_WAITING} segments wait in {self._spool}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), TICK_SECONDS)
        if self.receiving.is_set():
            await self._ship_unfinished(connection)

    def _finished(self) -> list[Path]:
        return sorted(
            path
            for path in self._spool.iterdir()
            if SEGMENT_NAME.fullmatch(path.name) or HISTORY_NAME.fullmatch(path.name)
        )

    async def _ship_finished(self) -> None:
        try:
            for path in self._finished():
                await asyncio.to_thread(self._ship, path, path.name)
                path.unlink()
                await asyncio.to_thread(self._destination.delete, [object_path(path.name + PARTIAL)])
        except Failure as error:  # the server keeps sending; the files wait here
            self._say_once(f"{error}; {len(self._finished())} segments wait in {self._spool}")

    async def _ship_unfinished(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Ship the segment that is being written, and note the time up to which all is there."""
        now = await connection.fetchrow(_NOW)
        if now is None or self._state is None:
            return
        mark = Mark(now["at"], now["lsn"])
        grew = self._shipped is None or mark.lsn != self._shipped.lsn
        if not grew and time.monotonic() - self._shipped_at < IDLE_SECONDS and not self.stopping.is_set():
            return
        async for received in self._received(connection):
            if lsn_number(received) >= lsn_number(mark.lsn):
                break
        try:
            await self._ship_finished()
            for path in sorted(self._spool.glob(f"*{PARTIAL}")) if grew else ():
                with contextlib.suppress(FileNotFoundError):  # it was finished meanwhile
                    await asyncio.to_thread(self._ship, path, path.name)
            if self._finished():  # it was, and the next one has begun
                return
            period = self._state.periods[-1]
            period.covered_until, period.covered_lsn = mark.at, mark.lsn
            await asyncio.to_thread(write_state, self._destination, self._state)
        except Failure as error:
            self._say_once(str(error))
            return
        self._said = ""
        self._shipped, self._shipped_at = mark, time.monotonic()

    async def _received(self, connection: "asyncpg.Connection[asyncpg.Record]") -> AsyncIterator[str]:
        """The position up to which the WAL is on this disk, every moment."""
        while True:
            received = await connection.fetchval(_RECEIVED, SLOT)
            if received is None:
                raise BackupFailed("pg_receivewal is not connected")
            yield received
            await asyncio.sleep(TICK_SECONDS / 5)

    def _ship(self, path: Path, name: str) -> None:
        with path.open("rb") as file:
            self._destination.put(object_path(name), Sealed(file, self._recipient))

    def _say_once(self, line: str) -> None:
        if line != self._said:
            self._say(line)
            self._said = line


class _WrongArchive(BackupFailed):
    """The destination has another server's WAL: no trying again mends that."""
