"""Verifying a backup: it is restored into a throw-away server, and compared with its manifest."""

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

from pyrage.x25519 import Identity

from quartet.backup.archive import Period, Route
from quartet.backup.catalogue import write_verification
from quartet.backup.contents import explain_difference, read_contents
from quartet.backup.destination import Destination
from quartet.backup.manifest import Manifest, Part
from quartet.backup.progress import Reporter
from quartet.backup.recovery import Recovery
from quartet.backup.restore import BackupPart, require_room
from quartet.backup.scratch import scratch_folder
from quartet.backup.sealing import unseal
from quartet.backup.server import connect
from quartet.backup.tools import Tools
from quartet.errors import DamagedBackup, NotFound
from quartet.postgres import Cluster
from quartet.postgres.binaries import Binaries
from quartet.postgres.cluster import SUPERUSER
from quartet.processes import run
from quartet.provision.session import identifier

_AMCHECK_SECONDS = 6 * 3600


def verify_objects(destination: Destination, manifest: Manifest, *, reporter: Reporter) -> None:
    """Read every object of a backup, and compare size and hash with the manifest. Needs no key. Raises DamagedBackup."""
    for part in manifest.parts:
        digest, size = hashlib.sha256(), 0
        with reporter.part(part.path.rsplit("/", 1)[1], total_bytes=part.stored_bytes) as advance:
            try:
                for chunk in destination.read(part.path):
                    digest.update(chunk)
                    size += len(chunk)
                    advance(len(chunk))
            except NotFound:
                raise DamagedBackup(f"{part.path} is missing: take an older backup") from None
        if (size, digest.hexdigest()) != (part.stored_bytes, part.sha256):
            raise DamagedBackup(f"{part.path} is not what its manifest says it is: take an older backup")
    write_verification(destination, manifest.id, "objects")


async def verify_by_restoring(
    destination: Destination,
    manifest: Manifest,
    identities: list[Identity],
    *,
    binaries: Binaries,
    disk: Path,
    reporter: Reporter,
) -> None:
    """Restore each dump and the base into throw-away servers below `disk`: rows and checksums are compared with the
    manifest, the base's files with its own manifest (pg_verifybackup), its tables and indexes with each other (pg_amcheck).

    Raises DamagedBackup, DiskFull, or OtherMajorVersion.
    """
    dumps = [part for part in manifest.parts if part.kind == "dump"]
    needed = max(sum(part.database_bytes or 0 for part in dumps), manifest.base.bytes if manifest.base else 0)
    require_room(disk, needed, purpose="the verification")
    async with _empty_server(binaries, disk) as tools:
        tools.require_major(manifest.server_major)
        for part in manifest.parts:
            if part.kind == "globals":
                await asyncio.to_thread(_load_roles, tools, destination, part, identities)
        for part in dumps:
            await _verify_dump(part, destination, manifest, identities, tools=tools, reporter=reporter)
    if manifest.base is not None:
        await _verify_base(
            manifest, manifest.base, destination, identities, binaries=binaries, disk=disk, reporter=reporter
        )
    await asyncio.to_thread(write_verification, destination, manifest.id, "restored")


async def _verify_dump(
    part: Part,
    destination: Destination,
    manifest: Manifest,
    identities: list[Identity],
    *,
    tools: Tools,
    reporter: Reporter,
) -> None:
    database = part.database or ""
    source = BackupPart(destination=destination, manifest=manifest, part=part, identities=identities)
    connection = await connect(tools, "postgres")
    try:
        await connection.execute(
            f"CREATE DATABASE {identifier(database)} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'"
        )
    finally:
        await connection.close()
    with reporter.part(database, total_bytes=part.bytes) as advance:
        await source.load(tools, database, advance=advance)
    connection = await connect(tools, database)
    try:
        difference = explain_difference(part.tables, await read_contents(connection))
    finally:
        await connection.close()
    if difference is not None:
        raise DamagedBackup(f"{part.path}: {difference}: take an older backup")


async def _verify_base(
    manifest: Manifest,
    base: Part,
    destination: Destination,
    identities: list[Identity],
    *,
    binaries: Binaries,
    disk: Path,
    reporter: Reporter,
) -> None:
    # The base is recovered with the WAL that it contains, not with the archive: a period without length, without segments.
    ended = base.ended_at or manifest.ended_at
    lsn = base.end_lsn or "0/0"
    period = Period(
        timeline=base.timeline or 1, began_at=ended, began_lsn=lsn, covered_until=ended, covered_lsn=lsn
    )
    route = Route(manifest=manifest, base=base, period=period, segments=(), missing=None, stored_bytes=0)
    recovery = Recovery(
        route=route,
        destination=destination,
        identities=identities,
        binaries=binaries,
        at=None,
        check=_verify_files,
    )
    async with recovery.server(disk, reporter=reporter) as tools:
        await asyncio.to_thread(_check_tables, tools, base)


def _verify_files(cluster: Cluster) -> None:
    done = run(
        [cluster.binaries.program("pg_verifybackup"), "--quiet", cluster.pgdata], environment={"LC_ALL": "C"}
    )
    if done.returncode != 0:
        raise DamagedBackup(
            f"the base does not match its own manifest ({_first_line(done.stderr)}): take an older backup"
        )


def _check_tables(tools: Tools, base: Part) -> None:
    done = run(
        [
            tools.binaries.program("pg_amcheck"),
            "--all",
            "--install-missing",
            "--heapallindexed",
            "--no-password",
        ],
        environment=tools.environment,
        timeout_seconds=_AMCHECK_SECONDS,
    )
    if done.returncode != 0:
        raise DamagedBackup(f"{base.path}: {_first_line(done.stdout or done.stderr)}: take an older backup")


def _load_roles(tools: Tools, destination: Destination, part: Part, identities: list[Identity]) -> None:
    with tools.consuming("psql", "--no-psqlrc", "--quiet", "--dbname=postgres", "--file=-") as running:
        unseal(destination.read(part.path), running.stream, identities, name=part.path, sha256=part.sha256)
        running.finish()  # that the superuser is there already is no failure


@contextlib.asynccontextmanager
async def _empty_server(binaries: Binaries, parent: Path) -> AsyncIterator[Tools]:
    password = secrets.token_urlsafe(24)
    with scratch_folder(parent, purpose="verify") as folder:
        cluster = Cluster(
            folder / "cluster", binaries=binaries, settings={"fsync": "off", "autovacuum": "off"}
        )
        try:
            await asyncio.to_thread(cluster.initialise, superuser_password=password)
            cluster.start()  # in the main thread, with which the server ends
            yield Tools(
                binaries=cluster.binaries,
                host="127.0.0.1",
                port=cluster.port,
                user=SUPERUSER,
                password=password,
            )
        finally:
            cluster.stop("immediate")


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0] if lines else "it said nothing"
