"""`quartet restore`: a service's database, from a backup or from plain SQL."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from quartet.backup.destination import open_destination
from quartet.backup.keys import find_identities
from quartet.backup.manifest import list_ids, read_manifest
from quartet.backup.progress import report_progress
from quartet.backup.restore import BackupPart, DumpFile, Source, restore_database
from quartet.backup.tools import Tools
from quartet.cli.output import Service, load_checked_settings
from quartet.errors import NotFound, Refused, WrongSettings
from quartet.postgres import find_binaries
from quartet.provision.session import open_session
from quartet.readiness import ensure_server_runs
from quartet.settings import OperatorSettings

_DATABASE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def restore(
    *,
    service: Annotated[Service, typer.Option("--service", help="Whose database.", show_default=False)],
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
    identity: Annotated[
        Path | None,
        typer.Option("--identity", help="The file of the age identity that decrypts.", show_default=False),
    ] = None,
) -> None:
    """Bring a service's database back, in one transaction: from the newest backup, another one, or a file of plain SQL.

    Nothing is overwritten: a database with tables in it is refused, and so is `--into` a name that exists. A restored
    backup is compared with the rows and checksums of its manifest.

    Example: quartet restore --service l2p --into l2p_yesterday

    Exit codes: 0 · 2 wrong usage · 4 a backup of another PostgreSQL · 8 too little disk · 10 no server answers · 13 no such
    backup or file · 14 failed · 15 damaged, or the wrong key · 17 the database is there already
    """
    settings = load_checked_settings()
    if into and not _DATABASE_NAME.fullmatch(into):
        raise WrongSettings(f"--into {into}: small letters, digits and _ make a name, 63 at most")
    source = _find_source(settings, service.value, origin=origin, identity=identity)
    server = settings.server()
    ensure_server_runs(settings)
    admin, plan = settings.admin(server), settings.plan()
    planned = replace(plan[service.value], database=into) if into else plan[service.value]
    tools = Tools(
        binaries=find_binaries(settings.named_bindir),
        host=admin.host,
        port=admin.port,
        user=admin.user,
        password=admin.password,
    )
    folder = settings.home.cluster_folder()
    is_here = "POSTGRES_HOST" not in settings.explicit and folder.is_dir()

    async def run() -> None:
        if into:
            async with open_session(admin) as session:
                if await session.value("SELECT true FROM pg_database WHERE datname = $1", into):
                    raise Refused(f"there is a database {into} already: choose another name")
        with report_progress() as reporter:
            await restore_database(
                source,
                planned,
                admin=admin,
                plan=plan,
                tools=tools,
                disk=folder if is_here else None,
                reporter=reporter,
            )

    asyncio.run(run())
    typer.echo(f"{service.value}: restored into {planned.database}")


def _find_source(settings: OperatorSettings, service: str, *, origin: str, identity: Path | None) -> Source:
    if origin and not re.fullmatch(r"\d{8}T\d{6}Z", origin):
        return DumpFile(path=Path(origin).absolute())
    destination = open_destination(settings)
    found, _ = list_ids(destination)
    if not found:
        raise NotFound(f"there is no backup in {destination.address}: `quartet backup full` makes one")
    manifest = read_manifest(destination, origin or found[0])
    part = manifest.dump_of(service)
    if part is None:
        raise NotFound(f"the backup {manifest.id} has no dump of {service}: take another one")
    return BackupPart(
        destination=destination,
        manifest=manifest,
        part=part,
        identities=find_identities(settings, identity),
    )
