"""`quartet db …`: migrations and a shell."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from quartet.cli.lazy import Entry, lazy_group
from quartet.cli.output import (
    DatabaseRole,
    JsonOption,
    RoleOption,
    ServiceArgument,
    ServicesArgument,
    load_checked_settings,
    print_json,
    print_table,
)
from quartet.errors import Failure, NotFound
from quartet.postgres import find_binaries
from quartet.provision.plan import SERVICES
from quartet.readiness import ensure_answers
from quartet.schema import SchemaStatus, read_status, services_or_all
from quartet.schema import migrate as apply_migrations
from quartet.schema import rollback as undo_migrations
from quartet.settings import load_settings
from quartet.verified_migration import ensure_healthy, verify_health

group = lazy_group(
    {
        "migrate": Entry("quartet.cli.database:migrate", "Apply the pending migrations as the owner roles."),
        "rollback": Entry("quartet.cli.database:rollback", "Undo a service's last migrations."),
        "status": Entry("quartet.cli.database:status", "Show what is applied, pending or drifted."),
        "create": Entry("quartet.cli.development:create", "Write a migration from the models."),
        "dev": Entry("quartet.cli.development:dev", "Write a migration, try it, and apply it."),
        "reset": Entry("quartet.cli.development:reset", "Drop all of a service's tables, and migrate anew."),
        "shell": Entry("quartet.cli.database:shell", "Open psql in a service's database."),
        "connections": Entry(
            "quartet.cli.database_views:connections", "Show who holds how many connections."
        ),
        "sizes": Entry(
            "quartet.cli.database_views:sizes", "Show sizes, and indexes that are useless or broken."
        ),
        "slow": Entry("quartet.cli.slow:slow", "Show the dearest statements, and what to do about them."),
        "locks": Entry("quartet.cli.database_views:locks", "Show who waits for whom, or end a session."),
    },
    help="Migrations, a shell, and looks at the four databases.",
)


LockBudgetOption = Annotated[
    float,
    typer.Option(
        "--lock-budget", min=0, help="Seconds to try again while another session holds a table's lock."
    ),
]


def migrate(
    services: ServicesArgument = None,
    *,
    lock_budget: LockBudgetOption = 60.0,
    verifies: Annotated[
        bool,
        typer.Option(
            "--verify", help="Check the services' health before and after; undo what made one fail."
        ),
    ] = False,
) -> None:
    """Apply the pending migrations as the owner roles, one transaction each. Calls at the same time apply each once.

    A lock is waited for half a second, so that no request waits long behind a migration; then the migration pauses and is
    tried again for --lock-budget seconds. After that the message names the session that holds the lock. Migrations that
    were applied before stay so.

    With --verify a service that is not healthy afterwards has its migrations undone, except one that dropped what held rows:
    then the message says to which time to restore.

    Example: quartet db migrate auth payment

    Exit codes: 0 up to date · 6 wrong password · 10 no server answers · 11 a migration failed, got no lock, or left a service
    unhealthy · 12 --verify: a service is not healthy before
    """
    settings = load_checked_settings()
    server = settings.server()
    urls = settings.owner_urls(server, services_or_all(services or [], SERVICES))
    ensure_answers(settings, urls.values())
    if verifies:
        ensure_healthy(settings, urls)
    begun_at = datetime.now(UTC)
    losses: dict[str, dict[str, list[str]]] = {}
    applied = apply_migrations(
        urls,
        lock_budget=lock_budget,
        observers=settings.observer_urls(server, urls),
        losses=losses if verifies else None,
        say=_say,
    )
    for service in urls:
        revisions = applied.get(service, ())
        typer.echo(f"{service}: {', '.join(revisions)} applied" if revisions else f"{service}: up to date")
    if verifies:
        verify_health(settings, urls, applied=applied, losses=losses, begun_at=begun_at)


def _say(line: str) -> None:
    typer.echo(line, err=True)


def rollback(
    service: ServiceArgument,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", help="The revision to go back to; base undoes all.", show_default="the one before"
        ),
    ] = None,
    loses_data: Annotated[
        bool, typer.Option("--lose-data", help="Even if rows are lost with a table or column, or deleted.")
    ] = False,
    lock_budget: LockBudgetOption = 60.0,
) -> None:
    """Undo a service's last migration, or all that came after --to, in one transaction.

    It is refused, and nothing changed, when a table or column that goes belongs to a table with rows, or when rows would be
    deleted; --lose-data does it all the same. Restart the service with the version that belongs to that schema.

    Example: quartet db rollback payment --to idempotency_in_progress

    Exit codes: 0 · 6 wrong password · 10 no server answers · 11 it failed, or got no lock · 13 nothing to undo, or no such
    revision · 17 rows would be lost
    """
    settings = load_checked_settings()
    server = settings.server()
    url = settings.database_url(service.value, "owner", server=server)
    ensure_answers(settings, [url])
    undone = undo_migrations(
        service.value,
        url,
        to=to,
        loses_data=loses_data,
        lock_budget=lock_budget,
        observer=settings.observer_urls(server).get(service.value),
        say=_say,
    )
    typer.echo(f"{service.value}: {', '.join(undone)} undone")


def status(services: ServicesArgument = None, *, as_json: JsonOption = False) -> None:
    """Show the revision of each database, pending migrations, and drift: where the database is not what its migrations make.

    Compared are tables, columns, indexes, keys, CHECKs, triggers, functions and grants, and the migrations with the models. To
    know what the migrations make, they are run in a scratch schema of the database, in a transaction that is rolled back.

    Example: quartet db status --json

    Exit codes: 0 all are current · 1 something is pending or drifted, or the stack is stopped · 10 no server answers ·
    13 no server was ever started
    """
    settings = load_checked_settings()
    urls = settings.owner_urls(settings.server(), services_or_all(services or [], SERVICES))
    ensure_answers(settings, urls.values(), stopped=Failure)
    found = read_status(urls)
    if as_json:
        print_json({service: schema.as_json() for service, schema in found.items()})
    else:
        _print_status(found)
    if not all(schema.is_current for schema in found.values()):
        raise typer.Exit(1)


def _print_status(found: Mapping[str, SchemaStatus]) -> None:
    rows = [
        (
            service,
            schema.current or "none",
            schema.head,
            ", ".join(schema.pending),
            str(len(schema.drift) or ""),
        )
        for service, schema in found.items()
    ]
    print_table(("SERVICE", "CURRENT", "HEAD", "PENDING", "DRIFT"), rows)
    for service, schema in found.items():
        for line in schema.drift:
            typer.echo(f"{service}: {line}")


def shell(service: ServiceArgument, *, role: RoleOption = DatabaseRole.USER) -> Any:
    """Open psql in a service's database: the runtime role can change rows, the owner the schema too.

    Example: quartet db shell auth --role owner

    Exit codes: those of psql · 1 the stack is stopped · 10 no server answers · 13 no server was ever started, or no psql
    was found
    """
    settings = load_settings(check=False)
    url = settings.database_url(service.value, role.value, server=settings.server())
    ensure_answers(settings, [url], stopped=Failure)
    psql = find_binaries(settings.named_bindir).program("psql")
    if not psql.is_file():
        raise NotFound(f"{psql} is not there: install PostgreSQL's client programs, or set PG_BINDIR")
    host, port = url.hosts[0]
    # Not as arguments, which other users of the machine can read.
    told = os.environ | {"PGHOST": host, "PGPORT": str(port), "PGUSER": url.user, "PGDATABASE": url.database}
    told |= {"PGPASSWORD": url.password or ""}
    if url.schema:
        told["PGOPTIONS"] = f"-c search_path={url.schema}"
    os.execve(psql, [str(psql)], told)  # noqa: S606  no shell is wanted between
