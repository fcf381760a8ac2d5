"""`quartet health` and `quartet dsn`."""

import asyncio

import typer

from quartet.cli.output import DatabaseRole, JsonOption, RoleOption, ServiceArgument, print_json, print_table
from quartet.health import check_all
from quartet.settings import load_settings


def health(*, as_json: JsonOption = False) -> None:
    """Check the health of the four services and the database.

    Example: quartet health --json

    Exit codes: 0 all pass or warn · 1 one fails
    """
    reports = asyncio.run(check_all(load_settings(check=False)))
    if as_json:
        print_json({report.name: report.as_json() for report in reports})
    else:
        rows = [(report.name, report.status, report.detail, report.address) for report in reports]
        print_table(("NAME", "STATUS", "DETAIL", "ADDRESS"), rows)
    if any(report.status == "fail" for report in reports):
        raise typer.Exit(1)


def dsn(service: ServiceArgument, *, role: RoleOption = DatabaseRole.USER) -> None:
    """Print the connection URL of a service's database, password included, as psql and pg_dump take it.

    Example: psql "$(quartet dsn l2p --role owner)"

    Exit codes: 0 · 2 a password is missing · 13 no server was ever started
    """
    settings = load_settings(check=False)
    url = settings.database_url(service.value, role.value, server=settings.server())
    typer.echo(url.reveal_for_libpq())
