"""`quartet backup …`: make backups, list them, dump single databases."""

import asyncio
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated

import typer
from pyrage.x25519 import Recipient

from quartet.backup.catalogue import Retention
from quartet.backup.destination import Destination, open_destination
from quartet.backup.full import make_full_backup
from quartet.backup.keys import find_identities, find_recipient, has_identities
from quartet.backup.manifest import list_ids, read_manifest
from quartet.backup.metrics import Metrics, serve_metrics
from quartet.backup.progress import report_progress, spell_bytes
from quartet.backup.schedule import Scheduler, parse_time_of_day
from quartet.backup.server import admin_tools, check_dump, find_backup_server
from quartet.backup.tools import Tools
from quartet.backup.wal import Receiver
from quartet.cli.lazy import Entry, lazy_group
from quartet.cli.output import JsonOption, Service, load_checked_settings, print_json, print_table
from quartet.errors import BackupFailed, NotFound, WrongSettings
from quartet.provision.plan import AdminConnection
from quartet.provision.session import open_session
from quartet.readiness import ensure_server_runs
from quartet.settings import OperatorSettings
from quartet.settings.operator import Server
from quartet.stack.ports import take_listeners

group = lazy_group(
    {
        "full": Entry("quartet.cli.backup:full", "Back up all databases, the roles and the server's files."),
        "wal": Entry(
            "quartet.cli.backup:wal", "Receive the WAL as it is written, so that any second can be restored."
        ),
        "run": Entry(
            "quartet.cli.backup:run", "Receive the WAL, back up daily, prune, verify: all of it, for ever."
        ),
        "status": Entry("quartet.cli.backup_checks:status", "Show how safe the data are now."),
        "verify": Entry(
            "quartet.cli.backup_checks:verify", "Restore a backup where nobody uses it, and compare."
        ),
        "prune": Entry("quartet.cli.backup_checks:prune", "Delete the backups that no retention keeps."),
        "list": Entry("quartet.cli.backup:list_backups", "Show the backups that can be restored."),
        "dump": Entry("quartet.cli.backup:dump", "Write a database, or all of them, as plain SQL to stdout."),
    },
    help="Backups: compressed, encrypted, and restored by `quartet restore`.",
)


def full(*, as_json: JsonOption = False) -> None:
    """Back up the four databases, the roles and the server's files: compressed by zstd, encrypted by age.

    Goes to BACKUP_DESTINATION (a folder or s3://bucket/prefix), for BACKUP_RECIPIENT (age1…). In development both have a
    default in QUARTET_HOME: the folder `backups`, and an identity in `backup-identity.txt`. Keep a copy of that file, and
    of secrets.env, somewhere else: without it no backup can be read.

    Example: BACKUP_DESTINATION=s3://backups/quartet quartet backup full

    Exit codes: 0 · 2 a setting is missing · 4 programs of another PostgreSQL · 6 wrong password · 7 another one is being
    made · 8 disk full · 10 no server answers · 14 failed, and nothing of it was kept
    """
    settings, server = _load()
    destination, recipient = open_destination(settings), find_recipient(settings)
    with report_progress() as reporter:
        manifest = asyncio.run(
            make_full_backup(find_backup_server(settings, server), destination, recipient, reporter=reporter)
        )
    if as_json:
        print_json(manifest.model_dump(mode="json"))
    else:
        typer.echo(f"{manifest.id}: {spell_bytes(manifest.stored_bytes)} in {destination.address}")


def wal() -> None:
    """Receive the server's write-ahead log as it is written and ship it, until Ctrl-C: with a full backup that was made
    meanwhile, any second can be restored (`quartet restore --at`).

    Finished segments go to BACKUP_DESTINATION at once, the unfinished one every 10 seconds when it grew. A replication slot
    has the server keep what was not received, up to max_slot_wal_keep_size. While the destination is away, 1 GB waits in
    QUARTET_HOME.

    Exit codes: 0 · 2 a setting is missing · 4 programs of another PostgreSQL · 7 the WAL is being received already ·
    10 no server answers · 14 the destination has another server's WAL
    """
    settings, server = _load()
    receiver = _make_receiver(settings, server, open_destination(settings), find_recipient(settings))
    asyncio.run(_until_stopped(receiver, receiver.run))


def run() -> None:
    """Receive the WAL, make a full backup at BACKUP_AT (UTC) and when one was missed, prune and verify: until Ctrl-C.

    Serves metrics for Prometheus on BACKUP_PORT of BACKUP_HOST. Without a key at hand it verifies that every object
    is whole; restore it where the key is.

    Exit codes: as of `quartet backup wal` · 3 the port of the metrics is taken
    """
    settings, server = _load()
    backed_up, destination = find_backup_server(settings, server), open_destination(settings)
    recipient = find_recipient(settings)
    receiver = _make_receiver(settings, server, destination, recipient)
    daily_at = parse_time_of_day(settings.value("BACKUP_AT") or "")
    if daily_at is None:
        raise WrongSettings(f"BACKUP_AT={settings.value('BACKUP_AT')}: a time of day such as 03:00 is needed")
    metrics = Metrics()
    scheduler = Scheduler(
        backed_up,
        destination,
        recipient,
        receiver=receiver,
        identities=find_identities(settings, None) if has_identities(settings) else [],
        daily_at=daily_at,
        retention=Retention(),
        disk=settings.home.path,
        metrics=metrics,
        say=_say,
    )
    metrics.is_receiving = receiver.receiving.is_set
    for listener in take_listeners("backup", settings.host_and_port("backup")):
        serve_metrics(listener, metrics)
    asyncio.run(_until_stopped(receiver, scheduler.run))


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _make_receiver(
    settings: OperatorSettings, server: Server, destination: Destination, recipient: Recipient
) -> Receiver:
    return Receiver(
        find_backup_server(settings, server),
        destination,
        recipient,
        spool=settings.home.path / "backup-wal",
        say=_say,
    )


async def _until_stopped(receiver: Receiver, work: Callable[[], Awaitable[None]]) -> None:
    """Work until SIGINT or SIGTERM, of which the receiver makes a good end."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, receiver.stopping.set)
    await work()


def list_backups(*, as_json: JsonOption = False) -> None:
    """Show the backups of BACKUP_DESTINATION, the newest first. Needs no key and no server.

    Example: quartet backup list --json

    Exit codes: 0 · 2 a setting is missing · 13 there is no backup · 14 the destination does not answer · 15 a manifest is
    damaged
    """
    destination = open_destination(load_checked_settings())
    found = [read_manifest(destination, backup_id) for backup_id in list_ids(destination)[0]]
    if not found:
        raise NotFound(f"there is no backup in {destination.address}: `quartet backup full` makes one")
    if as_json:
        print_json([manifest.model_dump(mode="json") for manifest in found])
        return
    now = datetime.now(UTC)
    print_table(
        ("ID", "AGE", "SIZE", "POSTGRESQL", "DATABASES"),
        [
            (
                manifest.id,
                _spell_age((now - manifest.ended_at).total_seconds()),
                spell_bytes(manifest.stored_bytes),
                manifest.server_version,
                ", ".join(part.database for part in manifest.parts if part.database),
            )
            for manifest in found
        ],
    )


def dump(
    service: Annotated[Service | None, typer.Argument(help="Which service.", show_default=False)] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="All databases and roles, with the verifiers of their passwords.")
    ] = False,
) -> None:
    """Write a service's database as plain SQL to stdout; with --all the whole server, as the superuser.

    Not encrypted: mind where it goes. `quartet restore --service SERVICE --from FILE` brings one back.

    Example: quartet backup dump l2p > l2p.sql

    Exit codes: 0 · 2 neither a service nor --all · 4 programs of another PostgreSQL · 6 wrong password · 10 no server
    answers · 14 failed: what was written is not whole
    """
    if (service is None) != everything:
        raise WrongSettings(
            "name one service, or give --all: `quartet backup dump --help` shows what it takes"
        )
    settings, server = _load()
    if service is None:
        admin = settings.admin(server)
        tools = admin_tools(settings, server)
        asyncio.run(_check_superuser(tools, admin))
        _print_output(tools, "pg_dumpall", "--no-password")
    else:
        backed_up = find_backup_server(settings, server)
        if service.value not in backed_up.databases:
            raise NotFound(f"{service.value} lives on another server: dump it there")
        database = backed_up.databases[service.value]
        asyncio.run(check_dump(backed_up.tools, database))
        _print_output(backed_up.tools, "pg_dump", "--no-password", database)


async def _check_superuser(tools: Tools, admin: AdminConnection) -> None:
    async with open_session(admin) as session:
        tools.require_major(session.connection.get_server_version().major)


def _print_output(tools: Tools, program: str, *arguments: str) -> None:
    with tools.producing(program, *arguments) as running:
        try:
            shutil.copyfileobj(running.stream, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise BackupFailed(
                "who reads the dump ended before it did: what was written is not whole"
            ) from None
        running.finish()


def _load() -> tuple[OperatorSettings, Server]:
    settings = load_checked_settings()
    server = settings.server()
    ensure_server_runs(settings)
    return settings, server


def _spell_age(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
