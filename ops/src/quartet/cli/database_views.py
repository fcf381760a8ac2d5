"""`quartet db connections`, `sizes` and `locks`: looks at the running server."""

import asyncio
from typing import Annotated

import typer

from quartet.backup.progress import spell_bytes
from quartet.cli.output import JsonOption, ServicesArgument, load_checked_settings, print_json, print_table
from quartet.errors import NotFound
from quartet.inspection.connections import Connections, RoleConnections, read_connections
from quartet.inspection.locks import LockedSession, end_session, locks_as_json, order_as_tree, read_locks
from quartet.inspection.server import InspectedServer, find_server, spell_seconds
from quartet.inspection.sizes import IndexSize, ServiceSizes, Sizes, read_sizes
from quartet.schema import services_or_all

WORTH_DROPPING_BYTES = 1024**2
"""Of unused indexes the overview lists those of this size and more."""


def connections(*, as_json: JsonOption = False) -> None:
    """Show the connections of each service by state, the longest open transaction, and how much of the role's limit and of
    the server's max_connections is taken.

    A transaction that is open for long keeps dead rows from being removed; one that is idle is a fault of the program that
    opened it.

    Example: quartet db connections --json | jq '.roles[] | select(.service == "auth").total'

    Exit codes: 0 · 1 the stack is stopped · 6 wrong password · 10 no server answers · 13 no server was ever started
    """
    found = asyncio.run(read_connections(find_server(load_checked_settings())))
    if as_json:
        print_json(found.as_json())
        return
    header = (
        "SERVICE",
        "ROLE",
        "CONNECTIONS",
        "ACTIVE",
        "IDLE",
        "IDLE IN TRANSACTION",
        "LONGEST TRANSACTION",
    )
    print_table(header, [*(_connection_row(role) for role in found.roles), _total_row(found)])


def sizes(services: ServicesArgument = None, *, as_json: JsonOption = False) -> None:
    """Show the size of every database and the indexes that are invalid, duplicates, or large and unused; with SERVICE also its
    tables and all its indexes, with rows, dead rows and the last autovacuum.

    Rows are the statistics' estimates. An index is unused when it was not scanned since the statistics began; one that
    holds a constraint is never called so. With --json always everything.

    Example: quartet db sizes l2p

    Exit codes: 0 · 1 the stack is stopped · 6 wrong password · 10 no server answers · 13 no server was ever started, or the
    service's database is on another one
    """
    server = find_server(load_checked_settings())
    chosen = chosen_services(server, services)
    found = asyncio.run(read_sizes(server, chosen))
    if as_json:
        print_json(found.as_json())
        return
    _print_databases(found)
    for service, inside in found.services.items() if services else ():
        typer.echo()
        _print_tables(service, inside)
    _print_faults(found, all_of_them=bool(services))


def locks(
    *,
    kill: Annotated[
        int | None,
        typer.Option("--kill", metavar="PID", help="End this session.", min=1, show_default=False),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --kill: also the superuser's, a backup's, the server's own.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show which session waits for which, those first that wait for nobody: ending such a root frees the ones below it.

    --kill cancels the session's statement, and terminates the session if its transaction does not end by that. Its
    transaction is rolled back; the services open new connections by themselves.

    Example: quartet db locks --kill 4711

    Exit codes: 0 · 1 the stack is stopped · 6 wrong password · 10 no server answers, or the session does not end · 13 there
    is no such session · 17 it is the superuser's, a backup's or the server's own, and --force was not given
    """
    server = find_server(load_checked_settings())
    if kill is not None:
        ending = asyncio.run(end_session(server, kill, force=force))
        if as_json:
            print_json({"pid": kill, "ending": ending})
        else:
            typer.echo(f"process {kill}: {ending}")
        return
    _print_locks(asyncio.run(read_locks(server)), as_json=as_json)


def chosen_services(server: InspectedServer, services: ServicesArgument) -> list[str]:
    """The services that were named, or all whose database is on this server. Raises NotFound for one that is elsewhere."""
    for service in services or []:
        if service not in server.databases:
            raise NotFound(
                f"{service} has a URL of its own, {service.value.upper()}_DATABASE_URL: its database is elsewhere"
            )
    return services_or_all(services or [], server.databases)


def _connection_row(role: RoleConnections) -> tuple[str, ...]:
    of = str(role.total) if role.limit is None else f"{role.total} of {role.limit}"
    states = (str(role.active), str(role.idle), str(role.idle_in_transaction))
    return (role.service, role.role, of, *states, spell_seconds(role.longest_transaction_seconds))


def _total_row(found: Connections) -> tuple[str, ...]:
    of = f"{found.total} of {found.max_connections}"
    return ("all", f"({found.reserved_connections} kept for superusers)", of, "", "", "", "")


def _print_databases(found: Sizes) -> None:
    rows = [(each.name, each.service, spell_bytes(each.bytes)) for each in found.databases]
    print_table(("DATABASE", "SERVICE", "SIZE"), rows)


def _print_tables(service: str, inside: ServiceSizes) -> None:
    rows = [
        (each.name, *map(spell_bytes, (each.total_bytes, each.index_bytes)), *map(str, (each.rows, each.dead_rows)),
         (each.last_autovacuum or "never")[:19])
        for each in inside.tables
    ]  # fmt: skip
    header = (f"TABLE OF {service}", "SIZE", "OF IT INDEXES", "ROWS", "DEAD ROWS", "LAST AUTOVACUUM")
    print_table(header, rows)
    typer.echo()
    indexes = [(each.name, each.table, spell_bytes(each.bytes), str(each.scans)) for each in inside.indexes]
    print_table((f"INDEX OF {service}", "TABLE", "SIZE", "SCANS"), indexes)


def _print_faults(found: Sizes, *, all_of_them: bool) -> None:
    faulty = [
        (service, each, inside.counted_since)
        for service, inside in found.services.items()
        for each in inside.indexes
        if each.fault
    ]
    shown = [
        (service, each, since)
        for service, each, since in faulty
        if all_of_them or each.fault != "unused" or each.bytes >= WORTH_DROPPING_BYTES
    ]
    if shown:
        typer.echo()
        header = ("SERVICE", "INDEX", "TABLE", "SIZE", "FAULT")
        rows = [
            (service, each.name, each.table, spell_bytes(each.bytes), _spell_fault(each, since))
            for service, each, since in shown
        ]
        print_table(header, rows)
    if small := len(faulty) - len(shown):
        typer.echo(f"\n{small} small indexes are unused so far: `quartet db sizes SERVICE` lists them")


def _spell_fault(index: IndexSize, since: str) -> str:
    if index.fault == "duplicate":
        return f"duplicate of {index.same_as}"
    return f"unused since {since[:10]}" if index.fault == "unused" else str(index.fault)


def _print_locks(found: list[LockedSession], *, as_json: bool) -> None:
    if as_json:
        print_json(locks_as_json(found))
    elif not found:
        typer.echo("no session waits for another")
    else:
        rows = [
            ("  " * depth + str(each.pid), each.role, each.application, each.database, each.state,
             spell_seconds(each.transaction_seconds), each.wanted or "", each.statement)
            for depth, each in order_as_tree(found)
        ]  # fmt: skip
        print_table(
            ("PROCESS", "ROLE", "APPLICATION", "DATABASE", "STATE", "OPEN", "WAITS FOR", "STATEMENT"), rows
        )
