"""`quartet backup status`, `verify` and `prune`: whether the backups can be trusted, and which are kept."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from quartet.backup.catalogue import Retention, delete_backup, find_superfluous, read_catalogue
from quartet.backup.destination import Destination, open_destination
from quartet.backup.keys import find_identities, has_identities
from quartet.backup.manifest import Manifest, list_ids, read_manifest
from quartet.backup.progress import report_progress, spell_bytes
from quartet.backup.scratch import delete_abandoned
from quartet.backup.server import find_backup_server
from quartet.backup.status import BackupStatus, read_status
from quartet.backup.verify import verify_by_restoring, verify_objects
from quartet.cli.output import JsonOption, load_checked_settings, print_json, print_table
from quartet.errors import NotFound
from quartet.postgres import find_binaries


def status(*, as_json: JsonOption = False) -> None:
    """Show how safe the data are: the newest backup and the newest verified one, how far behind the archive of the WAL is,
    and the times that can be restored to.

    Example: quartet backup status --json

    Exit codes: 0 · 1 the newest backup is older than 26 hours, or the WAL is not archived or far behind · 14 the destination
    does not answer
    """
    settings = load_checked_settings()
    try:
        server = find_backup_server(settings, settings.server())
    except NotFound:  # no server was ever started: what is at the destination can be told all the same
        server = None
    found = asyncio.run(read_status(server, open_destination(settings)))
    if as_json:
        print_json(found.as_json())
    else:
        print_table(("WHAT", "HOW"), _rows(found))
        for line in found.faults:
            typer.echo(line, err=True)
    if found.faults:
        raise typer.Exit(1)


def verify(
    backup_id: Annotated[
        str, typer.Argument(metavar="[ID]", help="Which backup; the newest one without.", show_default=False)
    ] = "",
    *,
    identity: Annotated[
        Path | None,
        typer.Option("--identity", help="The file of the age identity that decrypts.", show_default=False),
    ] = None,
) -> None:
    """Restore a backup into a throw-away server, and compare every table's rows and checksum with its manifest; check the
    base's files and its tables' structure too. Without a key: that every object is there, of its size and SHA-256.

    The key is that of --identity, or in development of the state folder. The verified backup is noted as such, and
    `quartet backup status` tells of it.

    Example: quartet backup verify --identity key.txt

    Exit codes: 0 · 4 programs of another PostgreSQL · 8 too little disk · 13 there is no backup · 15 damaged, or the wrong
    key
    """
    settings = load_checked_settings()
    destination = open_destination(settings)
    manifest = _find(destination, backup_id)
    with report_progress() as reporter:
        if identity is None and not has_identities(settings):
            verify_objects(destination, manifest, reporter=reporter)
            typer.echo(f"{manifest.id}: every object is whole; --identity FILE would restore and compare it")
            return
        folder = settings.home.cluster_folder()
        asyncio.run(
            verify_by_restoring(
                destination,
                manifest,
                find_identities(settings, identity),
                binaries=find_binaries(settings.named_bindir),
                disk=folder.parent if folder.is_dir() else settings.home.path,
                reporter=reporter,
            )
        )
    typer.echo(f"{manifest.id}: restored and compared: {_count_rows(manifest)}")


def prune(
    *,
    daily: Annotated[int, typer.Option("--daily", min=1, help="Days of which the last backup is kept.")] = 7,
    weekly: Annotated[int, typer.Option("--weekly", min=0, help="Weeks, alike.")] = 4,
    monthly: Annotated[int, typer.Option("--monthly", min=0, help="Months, alike.")] = 12,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be deleted, and delete nothing.")
    ] = False,
) -> None:
    """Delete the backups that no retention keeps, the WAL from before the oldest daily base, and what killed commands left.

    Daily backups lead to any second, weekly and monthly ones to their own end. The newest whole backup is never deleted,
    nor the WAL that a daily base needs.

    Example: quartet backup prune --daily 14 --dry-run

    Exit codes: 0 · 14 the destination does not answer
    """
    settings = load_checked_settings()
    destination = open_destination(settings)
    catalogue = read_catalogue(destination)
    backups, segments = find_superfluous(catalogue, Retention(daily=daily, weekly=weekly, monthly=monthly))
    for manifest in backups:
        typer.echo(f"{manifest.id}  {spell_bytes(manifest.stored_bytes)}")
        if not dry_run:
            delete_backup(destination, manifest.id)
    if not dry_run:
        destination.delete(segments)
        for parent in {settings.home.path, settings.home.cluster_folder().parent}:
            delete_abandoned(parent)
    verb = "would be deleted" if dry_run else "deleted"
    typer.echo(f"{len(backups)} backups and {len(segments)} segments of WAL {verb}")


def _find(destination: Destination, backup_id: str) -> Manifest:
    found, _ = list_ids(destination)
    if not found:
        raise NotFound(f"there is no backup in {destination.address}: `quartet backup full` makes one")
    return read_manifest(destination, backup_id or found[0])


def _count_rows(manifest: Manifest) -> str:
    tables = [table for part in manifest.parts for table in part.tables]
    return f"{sum(table.rows for table in tables)} rows of {len(tables)} tables are as they were"


def _rows(found: BackupStatus) -> list[tuple[str, str]]:
    return [
        ("newest backup", _spell(found.newest_backup, found.newest_backup_age)),
        ("newest verified", _spell(found.newest_verified, found.newest_verified_age)),
        ("stored", spell_bytes(found.stored_bytes)),
        (
            "WAL not archived",
            "all of it"
            if found.wal_lag_seconds is None
            else f"{found.wal_lag_seconds:.0f} s"
            + (f", {spell_bytes(found.wal_lag_bytes)}" if found.wal_lag_bytes is not None else ""),
        ),
        *(("any second of", f"{_short(begin)} to {_short(end)}") for begin, end in found.windows),
    ]


def _spell(backup_id: str | None, age: float | None) -> str:
    return "none" if backup_id is None or age is None else f"{backup_id}, {age / 3600:.1f} h ago"


def _short(moment: str) -> str:
    return datetime.fromisoformat(moment).strftime("%Y-%m-%dT%H:%M:%SZ")
