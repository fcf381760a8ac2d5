"""Receives the server's WAL as it is written, and ships it: finished segments at once, the unfinished one again and again.

PostgreSQL's `pg_receivewal` writes the files; a replication slot has the server keep what was not received. Of both there
is a bound: a destination that stays away fills neither this disk nor the server's.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import asyncpg
from pyrage.x25519 import Recipient

from quartet.backup.archive import (
    FOLDER,
    HISTORY_NAME,
    PARTIAL,
    SEGMENT_NAME,
    ArchiveState,
    Period,
    end_of_records,
    file_name,
    lsn_number,
    object_path,
    read_state,
    require_server,
    segment_names,
    segment_of,
    write_state,
)
from quartet.backup.destination import Destination
from quartet.backup.sealing import Sealed
from quartet.backup.server import BackupServer
from quartet.backup.tools import Running
from quartet.errors import AlreadyRunning, BackupFailed, Failure, ServerFailed

SLOT = "quartet_backup_wal"
TICK_SECONDS = 0.5
SHIP_SECONDS = 10.0
"""Between two shipments of the unfinished segment, when it grew."""

IDLE_SECONDS = 60.0
"""Between two notes that nothing was written."""

RETRY_SECONDS = 2.0
MOST_WAITING = 64
"""Finished segments (1 GB) that wait here for the destination; then the server has to keep them."""

LEAVING_SECONDS = 5.0
"""How long the server may take to notice that a killed receiver is gone."""

LAST_SECONDS = 10.0
"""How long the end may take to ship the last WAL."""

_SERVER = """
    SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS identifier,
           current_setting('server_version_num')::int / 10000 AS major,
           (SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'wal_segment_size') AS segment_bytes,
           pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()) AS segment
"""
_SLOT = """
    SELECT restart_lsn::text AS restart_lsn, active_pid, coalesce(wal_status, 'lost') AS status
    FROM pg_catalog.pg_replication_slots WHERE slot_name = $1
"""
_NOW = """
    SELECT clock_timestamp() AS at, pg_catalog.pg_current_wal_insert_lsn()::text AS lsn,
           current_setting('wal_block_size')::int AS block_bytes
"""
_RECEIVED = """
    SELECT restart_lsn::text FROM pg_catalog.pg_replication_slots WHERE slot_name = $1 AND active
"""
"""Synchronously received, WAL is on this disk before the slot moves past it."""


@dataclass(frozen=True)
class Mark:
    """A moment of the server's clock, and the end of a record that no commit of before is beyond."""

    at: datetime
    lsn: str


class Receiver:
    """One `quartet backup wal`. `say` is told what an operator wants to know."""

    def __init__(
        self,
        server: BackupServer,
        destination: Destination,
        recipient: Recipient,
        *,
        spool: Path,
        say: Callable[[str], None],
        ship_seconds: float = SHIP_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.stopping = asyncio.Event()
        self.receiving = asyncio.Event()
        self._server = server
        self._destination = destination
        self._recipient = recipient
        self._spool = spool
        self._say = say
        self._ship_seconds = ship_seconds
        self._idle_seconds = idle_seconds
        self._state: ArchiveState | None = None
        self._mark: Mark | None = None
        self._shipped: Mark | None = None
        self._shipped_at = 0.0
        self._clock_is_back = False
        self._said: dict[int, str] = {}

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
            except Failure as failure:
                self._say_once(failure)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                self._say_once(ServerFailed(f"the server ended the connection ({error})"))
            self.receiving.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), RETRY_SECONDS)

    async def _receive(self) -> None:
        self._mark = None
        async with self._server.connect_anywhere() as connection:
            await self._prepare(connection)
            arguments = (f"--directory={self._spool}", f"--slot={SLOT}", "--no-loop", "--synchronous")
            with self._server.tools.consuming("pg_receivewal", *arguments, "--no-password") as running:
                try:
                    await self._ship_until_stopped(connection, running)
                finally:
                    await asyncio.to_thread(running.interrupt)

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
        timeline = int(found["segment"][:8], 16)
        slot = await self._free_slot(connection)
        if slot is not None and slot["active_pid"] is not None:
            raise AlreadyRunning(
                f"the WAL of this server is being received already (server process {slot['active_pid']}): end that first"
            )
        if slot is not None and slot["status"] == "lost":
            await connection.execute("SELECT pg_drop_replication_slot($1)", SLOT)
            slot = None
        if slot is None or await asyncio.to_thread(
            self._has_gap, self._state, slot["restart_lsn"], timeline=timeline
        ):
            await self._begin_period(connection, timeline=timeline, has_slot=slot is not None)

    def _has_gap(self, state: ArchiveState, restart_lsn: str, *, timeline: int) -> bool:
        """Whether WAL is missing between what is at the destination and what the slot's server sends next: it was received
        into another folder, or shipped to another destination."""
        if not state.periods or state.periods[-1].timeline != timeline:
            return True
        first, following = (
            segment_of(lsn, timeline=timeline, segment_bytes=state.segment_bytes)
            for lsn in (state.periods[-1].covered_lsn, restart_lsn)
        )
        for path in self._finished():
            if path.name < following:
                self._ship(path, path.name)
        for path in self._spool.iterdir():
            if path.name < following:  # pg_receivewal would go on after the newest file that it finds
                path.unlink()
        held = {file_name(path) for path in self._destination.sizes(FOLDER)}
        return not held.issuperset(segment_names(first, following, segment_bytes=state.segment_bytes)[:-1])

    async def _free_slot(self, connection: "asyncpg.Connection[asyncpg.Record]") -> "asyncpg.Record | None":
        """The slot, once nobody receives by it, or else after a while; None when there is none."""
        deadline = time.monotonic() + LEAVING_SECONDS
        while True:
            slot = await connection.fetchrow(_SLOT, SLOT)
            if slot is None or slot["active_pid"] is None or time.monotonic() > deadline:
                return slot
            await asyncio.sleep(TICK_SECONDS)

    async def _begin_period(
        self, connection: "asyncpg.Connection[asyncpg.Record]", *, timeline: int, has_slot: bool
    ) -> None:
        assert self._state is not None  # noqa: S101  set by _prepare
        self._shipped = None
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
                f"the WAL from {before:%Y-%m-%dT%H:%M:%SZ} to {begun['at']:%Y-%m-%dT%H:%M:%SZ} is lost:"
                " no time in between can be restored, nor one after it before the next `quartet backup full`"
            )
        self._state.periods.append(
            Period(
                timeline=timeline,
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
                raise ServerFailed(f"pg_receivewal ended ({running.told})")
            if connection.is_closed():
                raise ServerFailed("the server ended the connection, as a swap or a restart does")
            if not self.receiving.is_set() and await connection.fetchval(_RECEIVED, SLOT):
                self.receiving.set()
                self._said.clear()
                self._say(f"receiving into {self._destination.address}")
            await self._ship_finished()
            if self.receiving.is_set():
                await self._ship_unfinished(connection)
            if len(self._finished()) > MOST_WAITING:
                raise BackupFailed(
                    f"{MOST_WAITING} segments wait in {self._spool}: the server keeps the others"
                )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), TICK_SECONDS)
        if self.receiving.is_set():
            await self._ship_last(connection)

    async def _ship_last(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._mark = await self._read_mark(connection)
        deadline = time.monotonic() + LAST_SECONDS
        while not await self._ship_marked(connection):
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(TICK_SECONDS / 5)

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
        except Failure as failure:  # the server keeps sending; the files wait here
            self._say_once(failure)

    async def _ship_unfinished(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Ship the segment that is being written, when it is time and it grew, and note the time up to which all is there."""
        waited = time.monotonic() - self._shipped_at
        if self._mark is None and waited >= self._ship_seconds:
            mark = await self._read_mark(connection)
            if waited >= self._idle_seconds or self._has_grown(mark):
                self._mark = mark
        if self._mark is not None:
            await self._ship_marked(connection)

    async def _read_mark(self, connection: "asyncpg.Connection[asyncpg.Record]") -> Mark:
        now = await connection.fetchrow(_NOW)
        if now is None or self._state is None:
            raise BackupFailed("the server does not tell how far its WAL is: see its log")
        lsn = end_of_records(
            now["lsn"], block_bytes=now["block_bytes"], segment_bytes=self._state.segment_bytes
        )
        return Mark(now["at"], lsn)

    def _has_grown(self, mark: Mark) -> bool:
        return self._shipped is None or mark.lsn != self._shipped.lsn

    async def _ship_marked(self, connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
        """Ship all up to the mark; whether that was received, and is at the destination now.

        WAL is sent when it is flushed: of an open transaction, with its commit or at the end of `archive_timeout`.
        """
        received = await connection.fetchval(_RECEIVED, SLOT)
        mark, state = self._mark, self._state
        if received is None or mark is None or state is None or lsn_number(received) < lsn_number(mark.lsn):
            return False
        try:
            for path in sorted(self._spool.glob(f"*{PARTIAL}")) if self._has_grown(mark) else ():
                with contextlib.suppress(FileNotFoundError):  # it was finished meanwhile
                    await asyncio.to_thread(self._ship, path, path.name)
            await self._ship_finished()
            if self._finished():  # the destination is away
                return False
            period = state.periods[-1]
            before, was_back = period.covered_until, self._clock_is_back
            self._clock_is_back = not period.cover(mark.at, mark.lsn)
            if self._clock_is_back and not was_back:
                self._say(
                    f"the server's clock went back from {before:%Y-%m-%dT%H:%M:%SZ} to {mark.at:%Y-%m-%dT%H:%M:%SZ}: of a time"
                    " that it showed twice the first is restored, unless `quartet backup full` is made now"
                )
            await asyncio.to_thread(write_state, self._destination, state)
        except Failure as failure:
            self._say_once(failure)
            return False
        self._said.clear()
        self._mark, self._shipped, self._shipped_at = None, mark, time.monotonic()
        return True

    def _ship(self, path: Path, name: str) -> None:
        with path.open("rb") as file:
            self._destination.put(object_path(name), Sealed(file, self._recipient))

    def _say_once(self, failure: Failure) -> None:
        """Say a failure of each kind once, until all is well again: one follows from another, and their words differ."""
        if failure.exit_code not in self._said:
            self._said[failure.exit_code] = str(failure)
            self._say(f"{failure}; trying again")


class _WrongArchive(BackupFailed):
    """The destination has another server's WAL: no trying again mends that."""
