"""A full backup: a dump of each database, the roles, and a base backup of the whole server."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import asyncpg
from pyrage.x25519 import Recipient

from quartet.backup.archive import read_state, require_server
from quartet.backup.contents import LOCK_TIMEOUT, list_tables, read_contents
from quartet.backup.destination import Destination
from quartet.backup.manifest import FOLDER, ID_FORMAT, Manifest, Part, folder_of, list_ids, write_manifest
from quartet.backup.progress import Reporter
from quartet.backup.sealing import SUFFIX, Sealed
from quartet.backup.server import BackupServer, refuse_large_objects
from quartet.errors import BackupFailed, Failure

A = TypeVar("A")
B = TypeVar("B")
_ID = re.compile(r"\d{8}T\d{6}Z")
_BASE_BEGIN = re.compile(r"log start point: \S+ on timeline (\d+)")
_BASE_END = re.compile(r"log end point: (\S+)")
_SERVER = """
    SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int / 10000 AS major,
           (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS identifier,
           (SELECT sum(pg_catalog.pg_database_size(oid))::bigint FROM pg_catalog.pg_database
            WHERE datname = ANY($1)) AS bytes
"""


async def make_full_backup(
    server: BackupServer, destination: Destination, recipient: Recipient, *, reporter: Reporter
) -> Manifest:
    """Make a full backup and give its manifest. What a killed one left behind is deleted first.

    Raises AlreadyRunning, BackupFailed, DiskFull, OtherMajorVersion, ServerFailed or WrongPassword; then nothing of it
    stays at the destination.
    """
    async with server.turn() as connection:
        began_at = datetime.now(UTC)
        found = await connection.fetchrow(_SERVER, list(server.databases.values()))
        if found is None:
            raise BackupFailed("the server says nothing of itself: look at its log")
        server.tools.require_major(found["major"])
        state = await asyncio.to_thread(read_state, destination)
        require_server(
            state, address=destination.address, identifier=found["identifier"], major=found["major"]
        )
        backup_id = next_id(await asyncio.to_thread(_delete_leftovers, destination), now=began_at)
        work = _Work(
            server, destination, recipient, turn=connection, folder=folder_of(backup_id), reporter=reporter
        )
        async with _all_or_nothing(destination, folder_of(backup_id)):
            parts = [await work.dump(service) for service in server.databases]
            parts.append(await work.dump_globals())
            parts.append(await work.copy_server(total_bytes=found["bytes"]))
            manifest = Manifest(
                id=backup_id,
                began_at=began_at,
                ended_at=datetime.now(UTC),
                server_version=found["version"],
                server_major=found["major"],
                system_identifier=found["identifier"],
                parts=tuple(parts),
            )
            await asyncio.to_thread(write_manifest, destination, manifest)
    return manifest


def next_id(existing: Sequence[str], *, now: datetime) -> str:
    """The id of a backup that begins now: it sorts after those that exist, whatever became of the clock."""
    newest = max(filter(_ID.fullmatch, existing), default="")
    wanted = now.strftime(ID_FORMAT)
    if wanted > newest:
        return wanted
    return (datetime.strptime(newest, ID_FORMAT).replace(tzinfo=UTC) + timedelta(seconds=1)).strftime(
        ID_FORMAT
    )


class _Work:
    """Makes the parts of one backup."""

    def __init__(
        self,
        server: BackupServer,
        destination: Destination,
        recipient: Recipient,
        *,
        turn: "asyncpg.Connection[asyncpg.Record]",
        folder: str,
        reporter: Reporter,
    ) -> None:
        self._server = server
        self._turn = turn
        self._destination = destination
        self._recipient = recipient
        self._folder = folder
        self._reporter = reporter

    async def dump(self, service: str) -> Part:
        """Dump a database, and count the rows of the same snapshot meanwhile."""
        database = self._server.databases[service]
        async with self._server.connect(database) as connection, _snapshot(connection) as snapshot:
            await refuse_large_objects(connection, database)
            size = await connection.fetchval("SELECT pg_catalog.pg_database_size(current_database())")
            arguments = (
                "--format=custom",
                "--compress=0",
                f"--snapshot={snapshot}",
                f"--lock-wait-timeout={LOCK_TIMEOUT}",  # who waits for our locks may have the dump wait for theirs
                f"--dbname={database}",
            )
            storing = self._store(f"{service}.dump", "pg_dump", *arguments, total_bytes=size)
            tables, (stored, _) = await _both(read_contents(connection), storing)
        return Part(
            kind="dump", service=service, database=database, database_bytes=size, tables=tables, **stored
        )

    async def dump_globals(self) -> Part:
        """Dump the roles and their settings, without passwords: those are in the secrets, which have a copy elsewhere."""
        database = next(iter(self._server.databases.values()))
        arguments = ("--globals-only", "--no-role-passwords", f"--database={database}")
        stored, _ = await self._store("globals.sql", "pg_dumpall", *arguments)
        return Part(kind="globals", **stored)

    async def copy_server(self, *, total_bytes: int) -> Part:
        """Copy the server's files with the WAL that makes them whole."""
        arguments = (
            "--pgdata=-",
            "--format=tar",
            "--wal-method=fetch",
            "--checkpoint=fast",
            "--no-password",
            "--verbose",
        )
        stored, messages = await self._store("base.tar", "pg_basebackup", *arguments, total_bytes=total_bytes)
        begun, ended = _BASE_BEGIN.search(messages), _BASE_END.search(messages)
        if begun is None or ended is None:
            raise BackupFailed(
                "pg_basebackup did not tell where its WAL begins and ends: see the server's log"
            )
        now = await self._turn.fetchval("SELECT clock_timestamp()")
        return Part(kind="base", timeline=int(begun[1]), end_lsn=ended[1], ended_at=now, **stored)

    async def _store(
        self,
        name: str,
        program: str,
        *arguments: str,
        total_bytes: int | None = None,
    ) -> tuple[dict[str, Any], str]:
        """Store what a program writes: the fields that tell of the object, and the program's messages."""
        path = f"{self._folder}/{name}{SUFFIX}"
        with (
            self._server.tools.producing(program, *arguments) as running,
            self._reporter.part(name, total_bytes=total_bytes) as advance,
        ):
            sealed = Sealed(running.stream, self._recipient, finish=running.finish, advance=advance)
            await asyncio.to_thread(self._destination.put, path, sealed)
            messages = running.messages
        fields = {
            "path": path,
            "bytes": sealed.bytes,
            "stored_bytes": sealed.stored_bytes,
            "sha256": sealed.sha256,
        }
        return fields, messages


async def _both(first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """What both give. When one fails the other is ended before the error is raised: it uses the same connection."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = group.create_task(first), group.create_task(second)
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return tasks[0].result(), tasks[1].result()


@asynccontextmanager
async def _snapshot(connection: "asyncpg.Connection[asyncpg.Record]") -> AsyncIterator[str]:
    """One snapshot for this connection and for a dump; the id by which the dump takes it.

    The tables are locked first. A snapshot from before an ALTER TABLE that rewrites one sees no row in it, once that is
    committed (PostgreSQL, "Caveats" of concurrency control): a migration at work is waited for, and a later one waits.
    """
    tables = await list_tables(connection)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        if tables:
            await connection.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS SHARE MODE")
        yield await connection.fetchval("SELECT pg_catalog.pg_export_snapshot()")


@asynccontextmanager
async def _all_or_nothing(destination: Destination, folder: str) -> AsyncIterator[None]:
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(Failure):  # a store that is away; the next backup deletes what stayed
            await asyncio.to_thread(_delete_below, destination, folder)
        if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | OSError):
            raise BackupFailed(
                f"the server failed during the backup ({error}): see its log, then try again"
            ) from error
        raise


def _delete_below(destination: Destination, folder: str) -> None:
    destination.delete(destination.sizes(folder))


def _delete_leftovers(destination: Destination) -> list[str]:
    """Delete what no manifest tells of; the ids of the backups that there are."""
    whole, leftovers = list_ids(destination)
    destination.delete(leftovers)
    destination.delete_unfinished(FOLDER)
    return whole
