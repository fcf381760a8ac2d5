"""`quartet report`."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from quartet.report.archive import gather, write_archive
from quartet.settings import load_settings


def report(
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The archive. Default: quartet-report-<time>.tar.gz here.",
            show_default=False,
        ),
    ] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Of each log, the last lines.")] = 1000,
) -> None:
    """Write one archive with all that somebody who helps you needs: doctor, health, slow statements, locks, connections, sizes,
    versions, settings, and the last lines of the logs.

    Secrets are replaced by ***: the value of every secret setting, generated ones too, wherever it stands, and whatever looks
    like a password in a URL, a token or a key. Statements that are locked are told as they were sent: look through the archive
    before you give it away. The file can be read by you alone. Changes nothing.

    Example: quartet report --output report.tar.gz

    Exit codes: 0 · 1 written, but a part could not be had, which missing.json in it explains · 17 the file is there already
    """
    found = asyncio.run(gather(load_settings(check=False), lines=lines))
    path = output or Path(f"quartet-report-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz")
    write_archive(found, path)
    typer.echo(f"{path}: {len(found.files)} files")
    for name, reason in found.missing.items():
        typer.echo(f"without {name}: {reason}", err=True)
    if found.missing:
        raise typer.Exit(1)
