"""`quartet restore`: a service's database, from a backup or from plain SQL, as of its dump or of any second."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from quartet.backup.destination import Destination, open_destination
from quartet.backup.hooks import read_pending, run_hook
from quartet.backup.keys import find_identities
from quartet.backup.manifest import list_ids, read_manifest
from quartet.backup.point_in_time import Target, find_target, parse_time, restore_at
from quartet.backup.progress import report_progress, spell_bytes
from quartet.backup.restore import BackupPart, DumpFile, Source, refuse_tables, restore_database
from quartet.backup.server import admin_tools
from quartet.backup.swap import forget_kept, name_restored, swap_databases, undo_swap
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
    service: Annotated[Service, typer.Option("--service", help="Whose database.", show_default=False)],
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --at: tell what would be read, and do nothing.")
    ] = False,
    identity: Annotated[
        Path | None,
        typer.Option("--identity", help="The file of the age identity that decrypts.", show_default=False),
    ] = None,
) -> None:
    """Bring a service's database back: from the newest backup, another one, a file of plain SQL, or to the second by --at.

    Nothing is overwritten: a database with tables in it is refused, and so is `--into` a name that exists. With --swap the
    restored database takes the place of the service's own within two seconds, while the other services go on; the one of
    before is kept as NAME_before_TIME until --forget, and --undo puts it back. What is restored is compared with the rows
    and checksums of the backup.

    Example: quartet restore --service l2p --at 2026-11-30T02:21:18Z --swap

    Exit codes: 0 · 2 wrong usage · 4 a backup of another PostgreSQL · 8 too little disk · 10 no server answers · 13 no such
    backup or file · 14 failed · 15 damaged, or the wrong key · 16 that time cannot be reached · 17 the database is there
    already
    """
    _check_usage(at=at, origin=origin, into=into, swap=swap, undo=undo, forget=forget, dry_run=dry_run)
    settings = load_checked_settings()
    moment = parse_time(at) if at else None
    target = find_target(open_destination(settings), moment) if moment else None
    if target is not None and dry_run:
        _describe_target(target)
        return
    work = _Work.prepare(settings, service.value)
    if undo:
        asyncio.run(work.undo())
    elif forget:
        asyncio.run(work.forget())
    else:
        source = None if target else _find_source(settings, service.value, origin=origin, identity=identity)
        identities = identity
        asyncio.run(
            work.restore(lambda planned: work.load(planned, source, target, identities), into=into, swap=swap)
        )


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

    async def restore(self, load: Callable[[ServicePlan], Awaitable[None]], *, into: str, swap: bool) -> None:
        database = self.planned.database
        name = name_restored(database) if swap else into or database
        async with open_session(self.admin) as session:
            exists = await session.value("SELECT true FROM pg_database WHERE datname = $1", into or database)
        if into and exists:
            raise Refused(f"there is a database {into} already: choose another name")
        if swap and not exists:
            raise NotFound(f"there is no database {database} whose place could be taken: leave --swap out")
        if exists and not swap:
            await refuse_tables(self.admin, database)
        await load(replace(self.planned, database=name))
        if swap:
            kept = await swap_databases(
                self.admin,
                self.planned,
                replacement=name,
                prepare=lambda: self._run_hook(name, previous=database),
            )
            told = f"restored; the database of before is {kept} (--undo, --forget)"
        else:
            await self._run_hook(name)
            told = f"restored into {name}"
        typer.echo(f"{self.planned.service}: {told}")
        await self._tell_pending(database if swap else name)

    async def _tell_pending(self, database: str) -> None:
        service = self.planned.service
        pending = await read_pending(service, self.admin, database, schema=self.planned.schema)
        if pending:
            typer.echo(
                f"{service}: {database} is older than the code and lacks {', '.join(pending)}: once it is in its place,"
                f" `quartet db migrate {service}`",
                err=True,
            )

    async def load(
        self, planned: ServicePlan, source: Source | None, target: Target | None, identity: Path | None
    ) -> None:
        with report_progress() as reporter:
            if source is not None:
                await restore_database(
                    source,
                    planned,
                    admin=self.admin,
                    plan=self.plan,
                    tools=self.tools,
                    disk=self.disk if self.is_here else None,
                    reporter=reporter,
                )
            elif target is not None:
                await restore_at(
                    target,
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
        returned, kept = await undo_swap(self.admin, self.planned)
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
    *, at: str, origin: str, into: str, swap: bool, undo: bool, forget: bool, dry_run: bool
) -> None:
    if sum(map(bool, (into, swap, undo, forget))) > 1:
        raise WrongSettings("--into, --swap, --undo and --forget exclude each other: give one of them")
    if at and origin:
        raise WrongSettings("--at finds its backup by itself: leave --from out")
    if (undo or forget) and (at or origin):
        raise WrongSettings("--undo and --forget read no backup: leave --at and --from out")
    if dry_run and not at:
        raise WrongSettings("--dry-run tells how a time is reached: give --at TIME")
    if into and not _DATABASE_NAME.fullmatch(into):
        raise WrongSettings(f"--into {into}: small letters, digits and _ make a name, 63 at most")


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
