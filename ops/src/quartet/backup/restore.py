"""One database brought back, from a part of a backup or from plain SQL: whole, in one transaction, or not at all."""

import asyncio
import contextlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pyrage.x25519 import Identity

from quartet.backup.contents import explain_difference, read_contents
from quartet.backup.destination import Destination
from quartet.backup.manifest import Manifest, Part, TableContents
from quartet.backup.progress import Advance, Reporter, spell_bytes
from quartet.backup.sealing import CHUNK_BYTES, Counted, unseal
from quartet.backup.server import connect
from quartet.backup.tools import Running, Tools
from quartet.errors import DamagedBackup, DiskFull, NotFound, Refused
from quartet.provision.contents import ensure_contents
from quartet.provision.databases import ensure_databases
from quartet.provision.plan import AdminConnection, Plan, ServicePlan
from quartet.provision.roles import ensure_role_settings
from quartet.provision.session import identifier, open_session

_HOLDS_TABLES = """
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                          WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                            AND d.deptype = 'e')
    )
"""

_END = b"\n-- PostgreSQL database dump complete\n"
_LONGEST_END = 300
"""After it comes `\\unrestrict` with a token."""


@dataclass(frozen=True, kw_only=True)
class DumpFile:
    """Plain SQL, as `quartet backup dump` writes it."""

    path: Path

    @property
    def needed_bytes(self) -> int:
        """What the database will about take on the disk."""
        return self.path.stat().st_size

    def check(self, _tools: Tools) -> None:
        """Raises NotFound when there is no such file, DamagedBackup when its end is missing: psql would not notice."""
        if not self.path.is_file():
            raise NotFound(f"{self.path} is not there: name a file that `quartet backup dump` wrote")
        with self.path.open("rb") as file:
            file.seek(max(0, self.needed_bytes - _LONGEST_END))
            if _END not in file.read():
                raise DamagedBackup(
                    f"{self.path} does not end as the dump of a database does: it is not whole, or something else"
                )

    async def load(self, tools: Tools, database: str, *, advance: Advance) -> None:
        """Run the file in the database. Raises BackupFailed with the first statement that failed."""
        arguments = (
            "--no-psqlrc",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            f"--dbname={database}",
        )
        with tools.consuming("psql", *arguments, "--file=-") as running:
            await asyncio.to_thread(self._feed, running, advance)

    def _feed(self, running: Running, advance: Advance) -> None:
        # Not psql's --single-transaction: it commits where its input ends, and that ends when this process is killed.
        with self.path.open("rb") as file:
            _write_all(running, [b"BEGIN;\n"], _uncounted)
            _write_all(running, iter(lambda: file.read(CHUNK_BYTES), b""), advance)
            _write_all(running, [b"\nCOMMIT;\n"], _uncounted)
        running.finish()


@dataclass(frozen=True, kw_only=True)
class BackupPart:
    """A database's dump within a backup."""

    destination: Destination
    manifest: Manifest
    part: Part
    identities: list[Identity]

    @property
    def tables(self) -> tuple[TableContents, ...]:
        """What the dump's snapshot had."""
        return self.part.tables

    @property
    def needed_bytes(self) -> int:
        """What the database took on the disk when it was dumped."""
        return self.part.database_bytes or self.part.bytes

    def check(self, tools: Tools) -> None:
        """Raises OtherMajorVersion when the programs at hand cannot read the dump."""
        tools.require_major(self.manifest.server_major)

    async def load(self, tools: Tools, database: str, *, advance: Advance) -> None:
        """Restore the dump in the database. Raises DamagedBackup or BackupFailed."""
        arguments = ("--format=custom", "--single-transaction", "--exit-on-error", f"--dbname={database}")
        with tools.consuming("pg_restore", *arguments) as running:
            await asyncio.to_thread(self._feed, running, advance)

    def _feed(self, running: Running, advance: Advance) -> None:
        chunks = self.destination.read(self.part.path)
        with contextlib.suppress(BrokenPipeError):  # a program that ends before its input says why
            unseal(
                chunks,
                Counted(running.stream, advance),
                self.identities,
                name=self.part.path,
                sha256=self.part.sha256,
            )
        running.finish()


@dataclass(frozen=True, kw_only=True)
class LiveDatabase:
    """A database of another server, such as a recovered one, and what is in it."""

    tools: Tools
    database: str
    needed_bytes: int
    tables: tuple[TableContents, ...]

    def check(self, tools: Tools) -> None:
        """Raises OtherMajorVersion when the two servers differ."""
        tools.require_major(self.tools.binaries.major)

    async def load(self, tools: Tools, database: str, *, advance: Advance) -> None:
        """Dump the one into the other. Raises BackupFailed."""
        arguments = ("--format=custom", "--compress=0", f"--dbname={self.database}")
        into = ("--format=custom", "--single-transaction", "--exit-on-error", f"--dbname={database}")
        with (
            self.tools.producing("pg_dump", *arguments) as dump,
            tools.consuming("pg_restore", *into) as restore,
        ):
            await asyncio.to_thread(_write_all, restore, _chunks_of(dump), advance)
            await asyncio.to_thread(dump.finish)
            await asyncio.to_thread(restore.finish)


Source = DumpFile | BackupPart | LiveDatabase


async def restore_database(
    source: Source,
    planned: ServicePlan,
    *,
    admin: AdminConnection,
    plan: Plan,
    tools: Tools,
    disk: Path | None,
    reporter: Reporter,
) -> None:
    """Restore into the database of `planned`, made when it is missing, and bring its inside to the plan.

    `tools` connect as the superuser; `disk` is a folder on the disk of the server when that is here. A database that was
    made is dropped again when the restore fails, and one that was empty is empty again.

    Raises Refused (the database holds tables), DiskFull before anything is done, DamagedBackup, BackupFailed,
    OtherMajorVersion or NotFound.
    """
    source.check(tools)
    async with open_session(admin) as session:
        exists = await session.value("SELECT true FROM pg_database WHERE datname = $1", planned.database)
        if exists:
            await refuse_tables(admin, planned.database)
        if disk is not None:
            require_room(disk, source.needed_bytes, purpose="the restored database")
        alone = replace(plan, services=(planned,))
        await ensure_databases(session, alone)
        if planned == plan[planned.service]:  # beside it, they stay with the service's own
            await ensure_role_settings(session, alone)
        is_loaded = False
        try:
            with reporter.part(planned.database, total_bytes=source.needed_bytes) as advance:
                await source.load(tools, planned.database, advance=advance)
            is_loaded = True
            await _finish(source, planned, admin=admin, plan=alone, tools=tools)
        except BaseException:
            if is_loaded or not exists:
                await session.connection.execute(
                    f"DROP DATABASE IF EXISTS {identifier(planned.database)} WITH (FORCE)"
                )
            if is_loaded and exists:
                await ensure_databases(session, alone)
                await ensure_role_settings(session, alone)
                await _make_inside(planned, admin=admin, plan=alone)
            raise


async def _finish(
    source: Source, planned: ServicePlan, *, admin: AdminConnection, plan: Plan, tools: Tools
) -> None:
    """Grants as planned, statistics for the planner, and the rows that the manifest counted."""
    await _make_inside(planned, admin=admin, plan=plan)
    if isinstance(source, DumpFile):
        return
    connection = await connect(tools, planned.database)
    try:
        difference = explain_difference(source.tables, await read_contents(connection))
    finally:
        await connection.close()
    if difference is not None:
        raise DamagedBackup(f"{planned.database} was restored, but {difference}: take an older backup")


async def _make_inside(planned: ServicePlan, *, admin: AdminConnection, plan: Plan) -> None:
    async with open_session(admin, database=planned.database) as session:
        async with session.connection.transaction():
            await ensure_contents(session, plan, service=planned)
        await session.connection.execute("ANALYZE")


async def refuse_tables(admin: AdminConnection, database: str) -> None:
    """Raises Refused when a database holds tables."""
    async with open_session(admin, database=database) as session:
        if await session.value(_HOLDS_TABLES):
            raise Refused(f"{database} holds tables: restore beside it with --into NEW_DB")


def _chunks_of(running: Running) -> Iterator[bytes]:
    return iter(lambda: running.stream.read(CHUNK_BYTES), b"")


def require_room(disk: Path, needed: int, *, purpose: str) -> None:
    """Raises DiskFull when the disk of a folder has less room than is needed."""
    free = shutil.disk_usage(disk).free
    if free < needed:
        raise DiskFull(
            f"{purpose} needs about {spell_bytes(needed)}, and the disk of {disk} has {spell_bytes(free)}"
            " free: make room there"
        )


def _uncounted(_count: int) -> None:
    """For what the file does not hold."""


def _write_all(running: Running, chunks: Iterable[bytes], advance: Advance) -> None:
    with contextlib.suppress(BrokenPipeError):  # as above
        for chunk in chunks:
            running.stream.write(chunk)
            advance(len(chunk))
