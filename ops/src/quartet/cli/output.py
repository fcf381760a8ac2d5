"""Arguments that several commands share, and how tables and JSON are printed."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from quartet.settings import OperatorSettings, load_settings


class Service(StrEnum):
    """The four services."""

    AUTH = "auth"
    L2P = "l2p"
    PAYMENT = "payment"
    VIDEOVAULT = "videovault"


class DatabaseRole(StrEnum):
    """A role to connect to a service's database as."""

    USER = "user"
    OWNER = "owner"
    ADMIN = "admin"


ServiceArgument = Annotated[Service, typer.Argument(help="Which service.", show_default=False)]
ServicesArgument = Annotated[
    list[Service] | None, typer.Argument(help="Which services. Default: all.", show_default=False)
]
RoleOption = Annotated[
    DatabaseRole,
    typer.Option(
        "--role", help="user: rows only; owner: the schema too; admin: the superuser, every database."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs: JSON instead of a table.")]


def load_checked_settings() -> OperatorSettings:
    """The settings, for a command that acts on them. Prints warnings to stderr. Raises WrongSettings."""
    settings = load_settings()
    for line in settings.warnings:
        typer.echo(line, err=True)
    return settings


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, indent=2))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: as wide as the terminal, or as wide as it needs when the output is no terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(200, console.width), no_color=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)
