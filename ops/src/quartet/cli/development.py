"""`quartet db create`, `dev` and `reset`, for those who change the schema."""

import asyncio
import sys
from typing import Annotated

import typer

from quartet.cli.output import ServiceArgument, load_checked_settings
from quartet.development import create_migration, develop
from quartet.errors import Refused
from quartet.provision import provision
from quartet.readiness import ensure_answers
from quartet.schema import migrate, reset_schema

NameArgument = Annotated[str, typer.Argument(help="What it does: 'add nicknames'.", show_default=False)]


def create(service: ServiceArgument, name: NameArgument) -> None:
    """Write a migration with what the service's models have and its migrations lack; look through it before it is applied.

    No database is changed: the migrations are run in a transaction that is rolled back, to be compared with the models.

    Example: quartet db create payment "add refunds"

    Exit codes: 0 · 2 the name is taken or too long · 10 no server answers · 11 the migrations cannot be run · 17 not in a
    checkout
    """
    settings = load_checked_settings()
    url = settings.database_url(service.value, "owner", server=settings.server())
    ensure_answers(settings, [url])
    typer.echo(create_migration(service.value, url, name=name))


def dev(service: ServiceArgument, name: NameArgument) -> None:
    """Write a migration from the models, try it, and apply it to the database.

    In a shadow database all migrations are applied, undone and applied again, and compared with the models. Where that or
    the migration of the database fails, the file is removed and the database is as before.

    Example: quartet db dev payment "add refunds"

    Exit codes: 0 · 2 the name is taken or too long · 6 wrong password · 10 no server answers · 11 it failed · 17 not in a
    checkout
    """
    settings = load_checked_settings()
    server = settings.server()
    url = settings.database_url(service.value, "owner", server=server)
    ensure_answers(settings, [url])
    applied = develop(
        service.value,
        url,
        name=name,
        admin=settings.admin(server),
        plan=settings.plan(),
        say=lambda line: typer.echo(line, err=True),
    )
    typer.echo(
        f"{service.value}: {', '.join(applied)} applied" if applied else f"{service.value}: up to date"
    )


def reset(service: ServiceArgument) -> None:
    """Drop all tables and rows of a service and migrate anew. Asks for the database's name, on a terminal.

    Refused in production.

    Example: quartet db reset l2p

    Exit codes: 0 · 6 wrong password · 10 no server answers · 11 it failed · 17 refused: production, no terminal, or another
    name
    """
    settings = load_checked_settings()
    if settings.is_production:
        raise Refused(
            "QUARTET_ENV=production: a production database is not reset; `quartet restore` brings one back"
        )
    if f"{service.value.upper()}_DATABASE_URL" in settings.explicit:
        raise Refused(f"{service.value} has a database of its own on another server: it is reset there")
    server = settings.server()
    url = settings.database_url(service.value, "owner", server=server)
    ensure_answers(settings, [url])
    _confirm(url.database)
    asyncio.run(reset_schema(service.value, url))
    asyncio.run(provision(settings.admin(server), settings.plan()))
    applied = migrate({service.value: url})
    typer.echo(f"{url.database} is empty again, at {applied[service.value][-1]}")


def _confirm(database: str) -> None:
    if not sys.stdin.isatty():
        raise Refused(
            f"all rows of {database} would be lost: type its name on a terminal, input is not read from a pipe"
        )
    typer.echo(f"All tables and rows of {database} are dropped. Type its name to go on: ", nl=False)
    if sys.stdin.readline().strip() != database:
        raise Refused(f"that is not {database}: nothing was dropped")
