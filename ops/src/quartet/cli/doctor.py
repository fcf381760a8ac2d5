"""`quartet doctor`."""

import asyncio
from typing import Annotated

import typer

from quartet.cli.output import JsonOption, load_checked_settings, print_json
from quartet.doctor.examination import CHECKS, Examination, examine


def doctor(
    checks: Annotated[
        list[str] | None,
        typer.Argument(help=f"Only these: {', '.join(CHECKS)}.", metavar="[CHECK]...", show_default=False),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Examine the running system, and say what to do about what is found: a refused connection, a wrong password, a missing
    database, too many connections, slow statements, pending migrations, services that are not healthy, a disk that fills
    up, versions, clocks, limits against pools, transaction ids, sequences near their end, invalid indexes, large objects, a
    lost replication slot, a stale backup.

    Changes nothing. Checks that need the server are skipped when it does not answer. In production a missing or stale backup
    is a failure, in development a warning.

    Example: quartet doctor --json | jq -r '.findings[].fix'

    Exit codes: 0 nothing, or only warnings · 1 at least one failure · 2 a wrong setting · 13 there is no such check
    """
    found = asyncio.run(examine(load_checked_settings(), checks or []))
    if as_json:
        print_json(found.as_json())
    else:
        _print(found)
    if found.status == "fail":
        raise typer.Exit(1)


def _print(found: Examination) -> None:
    for name, findings in found.findings.items():
        for finding in findings or []:
            typer.echo(f"{finding.severity:<8} {name}: {finding.what}")
            typer.echo(f"{'':<8} → {finding.fix}")
    outcomes = [found.outcome_of(name) for name in found.findings]
    skipped = f", {outcomes.count('skipped')} skipped" if "skipped" in outcomes else ""
    typer.echo(
        f"{outcomes.count('pass')} checks passed, {outcomes.count('warn')} with warnings, {outcomes.count('fail')} failed{skipped}"
    )
