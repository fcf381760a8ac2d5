"""`quartet restore`: a service's database, from a backup or from plain SQL, as of its dump or of any second."""

import asyncio
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from quartet.backup.destination import Destination, open_destination
from quartet.backup.globals import restore_missing_roles
from quartet.backup.hooks import read_pending, run_hook
from quartet.backup.keys import find_identities
from quartet.backup.manifest import list_ids, read_manifest
from quartet.backup.point_in_time import Target, find_target, parse_time, restore_at
from quartet.backup.progress import report_progress, spell_bytes
from quartet.backup.restore import BackupPart, DumpFile, Source, refuse_tables, restore_database
from quartet.backup.server import admin_tools, find_backup_server
from quartet.backup.swap import find_previous, forget_kept, name_restored, swap_databases
from quartet.backup.tools import Tools
from quartet.cli.output import Service, load_checked_settings
from quartet.errors import NotFound, Refused, WrongSettings
from quartet.provision.plan import AdminConnection, Plan, ServicePlan
from quartet.provision.session import open_session
from quartet.readiness import ensure_server_runs
from quartet.settings import OperatorSettings

_DATABASE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_BACKUP_ID = re.compile(r"\d{8}T\d{6}Z")


def restore(
    *,
    service: Annotated[
        Service | None, typer.Option("--service", help="Whose database.", show_default=False)
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Each service's, and the roles that the server lacks.")
    ] = False,
    at: Annotated[
        str, typer.Option("--at", help="The time to go back to, with its offset: 2026-11-30T02:21:18Z.")
    ] = "",
    origin: Annotated[
        str,
        typer.Option(
            "--from", help="A file of `quartet backup dump`, or the id of a backup; the newest one without."
        ),
    ] = "",
    into: Annotated[
        str,
        typer.Option(
            "--into", help="A new database to restore into; without, the service's own, if it is empty."
        ),
    ] = "",
    swap: Annotated[
        bool, typer.Option("--swap", help="Restore beside the service's database, then take its place.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Put the database of before the last --swap back.")
    ] = False,
    forget: Annotated[
        bool,
        typer.Option("--forget", help="Drop the databases of before each --swap, and what killed ones left."),
    ] = False,
    finish: Annotated[
        str,
        typer.Option(
            "--finish",
            metavar="DATABASE",
            help="Go on where a restore ended that had loaded all rows: run the service's hook, with --swap take the place.",
        ),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --at: tell what would be read, and do nothing.")
    ] = False,
    identity: Annotated[
        Path | None,
        typer.Option("--identity", help="The file of the age identity that decrypts.", show_default=False),
    ] = None,
) -> None:
    """Bring databases back: from the newest backup, another one, a file of plain SQL, or to the second by --at.

    Nothing is overwritten: a database with tables in it is refused, and so is `--into` a name that exists. With --swap the
    restored database takes the place of the service's own within two seconds, while the other services go on; the one of
    before is kept as NAME_before_TIME until --forget, and --undo puts it back. What is restored is compared with the rows
    and checksums of the backup.

    Example: quartet restore --service l2p --at 2026-11-30T02:21:18Z --swap

    Exit codes: 0 · 2 wrong usage · 4 a backup of another PostgreSQL · 8 too little disk · 10 no server answers · 13 no such
    backup or file · 14 failed · 15 damaged, or the wrong key · 16 that time cannot be reached · 17 the database is there
    already
    """
    if (service is None) != everything:
        raise WrongSettings("name one --service, or give --all: `quartet restore --help` shows what it takes")
    _check_usage(
        everything=everything,
        at=at,
        origin=origin,
        into=into,
        swap=swap,
        undo=undo,
        forget=forget,
        finish=finish,
        dry_run=dry_run,
    )
    settings = load_checked_settings()
    moment = parse_time(at) if at else None
    target = find_target(open_destination(settings), moment) if moment else None
    if target is not None and dry_run:
        _describe_target(target)
        return
    if service is None:
        asyncio.run(_restore_all(settings, target, origin=origin, identity=identity, swap=swap))
        return
    work = _Work.prepare(settings, service.value)
    if undo:
        asyncio.run(work.undo())
    elif forget:
        asyncio.run(work.forget())
    elif finish:
        asyncio.run(work.finish(finish, swap=swap))
    else:
        source = target or _find_source(settings, service.value, origin=origin, identity=identity)
        asyncio.run(work.restore(source, identity=identity, into=into, swap=swap))


async def _restore_all(
    settings: OperatorSettings, target: Target | None, *, origin: str, identity: Path | None, swap: bool
) -> None:
    """Each database of this server, one after the other; none before it is known that all can be."""
    destination = open_destination(settings)
    manifest = target.route.manifest if target else read_manifest(destination, origin or _newest(destination))
    works = [
        _Work.prepare(settings, service)
        for service in find_backup_server(settings, settings.server()).databases
    ]
    for work in works:
        await work.check(into="", swap=swap)
    identities = find_identities(settings, identity)
    for name in await restore_missing_roles(destination, manifest, identities, admin=works[0].admin):
        typer.echo(f"role {name} made, without a password", err=True)
    for work in works:
        source = target or _find_source(settings, work.planned.service, origin=manifest.id, identity=identity)
        await work.restore(source, identity=identity, into="", swap=swap)


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What the ways of this command share."""

    settings: OperatorSettings
    plan: Plan
    planned: ServicePlan
    admin: AdminConnection
    tools: Tools
    disk: Path
    is_here: bool

    @classmethod
    def prepare(cls, settings: OperatorSettings, service: str) -> "_Work":
        server = settings.server()
        ensure_server_runs(settings)
        admin, plan = settings.admin(server), settings.plan()
        folder = settings.home.cluster_folder()
        is_here = "POSTGRES_HOST" not in settings.explicit and folder.is_dir()
        return cls(
            settings=settings,
            plan=plan,
            planned=plan[service],
            admin=admin,
            tools=admin_tools(settings, server),
            disk=folder.parent if is_here else settings.home.path,
            is_here=is_here,
        )

    async def restore(self, source: Source | Target, *, identity: Path | None, into: str, swap: bool) -> None:
        await self.check(into=into, swap=swap)
        database = self.planned.database
        name = name_restored(database) if swap else into or database
        await self._load(replace(self.planned, database=name), source, identity)
        await self._make_usable(name, swap=swap)

    async def check(self, *, into: str, swap: bool) -> None:
        """Raises Refused or NotFound, unless there is room for a database, or one to swap."""
        database = self.planned.database
        async with open_session(self.admin) as session:
            exists = await session.value("SELECT true FROM pg_database WHERE datname = $1", into or database)
        if into and exists:
            raise Refused(f"there is a database {into} already: choose another name")
        if swap and not exists:
            raise NotFound(f"there is no database {database} whose place could be taken: leave --swap out")
        if exists and not swap:
            await refuse_tables(self.admin, database)

    async def finish(self, name: str, *, swap: bool) -> None:
        """What a restore does once all rows are there."""
        async with open_session(self.admin) as session:
            if not await session.value("SELECT true FROM pg_database WHERE datname = $1", name):
                raise NotFound(f"there is no database {name}: `quartet restore` without --finish makes one")
        if swap and name in {each.database for each in self.plan}:
            raise WrongSettings(f"{name} is in the place of a service already: leave --swap out")
        await self._make_usable(name, swap=swap)

    async def _make_usable(self, name: str, *, swap: bool) -> None:
        if swap:
            kept = await self._swap(name)
            told = f"restored; the database of before is {kept} (--undo, --forget)"
        else:
            await self._run_hook(name)
            told = f"restored into {name}"
        typer.echo(f"{self.planned.service}: {told}")
        await self._tell_pending(self.planned.database if swap else name)

    async def _swap(self, replacement: str) -> str:
        return await swap_databases(
            self.admin,
            self.planned,
            replacement=replacement,
            prepare=lambda: self._run_hook(replacement, previous=self.planned.database),
        )

    async def _tell_pending(self, database: str) -> None:
        service = self.planned.service
        pending = await read_pending(service, self.admin, database, schema=self.planned.schema)
        if pending:
            typer.echo(
                f"{service}: {database} is older than the code and lacks {', '.join(pending)}: once it is in its place,"
                f" `quartet db migrate {service}`",
                err=True,
            )

    async def _load(self, planned: ServicePlan, source: Source | Target, identity: Path | None) -> None:
        with report_progress() as reporter:
            if not isinstance(source, Target):
                await restore_database(
                    source,
                    planned,
                    admin=self.admin,
                    plan=self.plan,
                    tools=self.tools,
                    disk=self.disk if self.is_here else None,
                    reporter=reporter,
                )
            else:
                await restore_at(
                    source,
                    planned,
                    origin=self.planned.database,
                    destination=open_destination(self.settings),
                    identities=find_identities(self.settings, identity),
                    admin=self.admin,
                    plan=self.plan,
                    tools=self.tools,
                    disk=self.disk,
                    server_disk=self.disk if self.is_here else None,
                    reporter=reporter,
                )

    async def undo(self) -> None:
        returned = await find_previous(self.admin, self.planned)
        kept = await self._swap(returned)
        typer.echo(
            f"{self.planned.service}: {returned} is in its place again; the one that was there is {kept}"
        )

    async def forget(self) -> None:
        for name in await forget_kept(self.admin, self.planned.database):
            typer.echo(f"{self.planned.service}: {name} dropped")

    async def _run_hook(self, database: str, *, previous: str | None = None) -> None:
        done = await run_hook(
            self.planned.service, self.admin, database, schema=self.planned.schema, previous=previous
        )
        for line in done:
            typer.echo(f"{self.planned.service}: {line}", err=True)


def _check_usage(
    *,
    everything: bool,
    at: str,
    origin: str,
    into: str,
    swap: bool,
    undo: bool,
    forget: bool,
    finish: str,
    dry_run: bool,
) -> None:
    is_named = into or undo or forget or finish
    for is_wrong, told in (
        (
            sum(map(bool, (into, undo, forget, finish or swap))) > 1,
            "--into, --swap, --undo, --forget and --finish exclude each other, but for --finish with --swap: give one of them",
        ),
        (
            everything and (is_named or (origin and not _BACKUP_ID.fullmatch(origin))),
            "--all goes with --at, --from ID and --swap: name one --service for others",
        ),
        (at and origin, "--at finds its backup by itself: leave --from out"),
        (
            (undo or forget or finish) and (at or origin),
            "--undo, --forget and --finish read no backup: leave --at and --from out",
        ),
        (dry_run and not at, "--dry-run tells how a time is reached: give --at TIME"),
        (
            into and not _DATABASE_NAME.fullmatch(into),
            f"--into {into}: small letters, digits and _ make a name, 63 at most",
        ),
    ):
        if is_wrong:
            raise WrongSettings(told)


def _find_source(settings: OperatorSettings, service: str, *, origin: str, identity: Path | None) -> Source:
    if origin and not _BACKUP_ID.fullmatch(origin):
        return DumpFile(path=Path(origin).absolute())
    destination = open_destination(settings)
    manifest = read_manifest(destination, origin or _newest(destination))
    part = manifest.dump_of(service)
    if part is None:
        raise NotFound(f"the backup {manifest.id} has no dump of {service}: take another one")
    return BackupPart(
        destination=destination,
        manifest=manifest,
        part=part,
        identities=find_identities(settings, identity),
    )


def _newest(destination: Destination) -> str:
    found, _ = list_ids(destination)
    if not found:
        raise NotFound(f"there is no backup in {destination.address}: `quartet backup full` makes one")
    return found[0]


def _describe_target(target: Target) -> None:
    route = target.route
    typer.echo(f"base      {route.manifest.id}, {spell_bytes(route.base.stored_bytes)} to read")
    typer.echo(f"WAL       {len(route.segments)} segments, {spell_bytes(route.stored_bytes)} to read")
    typer.echo(
        f"disk      about {spell_bytes(target.needed_bytes)} for the recovery, and the restored database"
    )
