"""`quartet db slow`."""

import asyncio
from typing import Annotated

import typer

from quartet.cli.database_views import chosen_services
from quartet.cli.output import JsonOption, ServicesArgument, load_checked_settings, print_json, print_table
from quartet.inspection.runs import Change
from quartet.inspection.server import find_server, one_line
from quartet.inspection.slow import DearStatement, SlowReport, find_slow


def slow(
    services: ServicesArgument = None,
    *,
    top: Annotated[int, typer.Option("--top", min=1, max=1000, help="Statements of each service.")] = 10,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="RUN",
            help="Compare with an earlier run: its id, or `last`.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the statements that cost each service the most time, and what to do: a missing index, a large table that is read
    whole, a query repeated for each row of another (N+1), a complex join, a list without a limit.

    A missing index is tried with the extension hypopg where a database has it, else it is marked as untried; one that is led
    by a column with an index is never proposed. Each run is kept in QUARTET_HOME, the last 20: --since says what improved since,
    and whether the statistics were reset in between. Utility statements are left out. Changes nothing in the databases.

    Example: quartet db slow l2p --since last

    Exit codes: 0 · 1 the stack is stopped · 6 wrong password · 10 no server answers · 13 no such run, no pg_stat_statements, or
    no server was ever started
    """
    settings = load_checked_settings()
    server = find_server(settings)
    found = asyncio.run(find_slow(settings, server, chosen_services(server, services), top=top, since=since))
    if as_json:
        print_json(found.as_json())
    else:
        _print(found)


def _print(found: SlowReport) -> None:
    typer.echo(f"Counted since {found.counted_since:%Y-%m-%d %H:%M} UTC; this run is {found.run}.")
    if found.reset:
        typer.echo(
            f"The statistics were reset after the run {found.since}: what changed is counted from then on."
        )
    header = (
        "SERVICE",
        "SHARE",
        "CALLS",
        "MEAN",
        "ROWS A CALL",
        "CACHE",
        *(("CHANGE",) if found.since else ()),
    )
    rows = [
        (
            *_row(service, each),
            *((_spell_change(each.change),) if found.since else ()),
            one_line(each.statement.text),
        )
        for service, statements in found.services.items()
        for each in statements
    ]
    print_table((*header, "STATEMENT"), rows)
    for service, statements in found.services.items():
        for each in statements:
            for advice in each.advice:
                typer.echo(f"\n{service}: {advice.kind}: {one_line(each.statement.text, longest=100)}")
                typer.echo(f"  {advice.what}\n  → {advice.fix}")


def _row(service: str, each: DearStatement) -> tuple[str, ...]:
    found = each.statement
    ratio = "" if found.hit_ratio is None else f"{found.hit_ratio:.0%}"
    counted = (f"{each.share:.0%}", f"{found.calls:,}", f"{found.mean_ms:.2f} ms")
    return (service, *counted, f"{found.rows / found.calls:.1f}", ratio)


def _spell_change(change: Change | None) -> str:
    if change is None or change.mean_ms is None:
        return change.verdict if change else ""
    before = "" if change.mean_ms_before is None else f"{change.mean_ms_before:.2f} → "
    return f"{change.verdict}: {before}{change.mean_ms:.2f} ms in {change.calls:,} calls"
