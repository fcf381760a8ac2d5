"""What an operator does to the library: `quartet videovault …`, and `videovault …` where only this service is installed."""

import asyncio
import contextlib
import importlib
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from dbcommon.engine import Database
from dbcommon.errors import DatabaseError
from dbcommon.settings import PoolSettings
from dbcommon.settings_error import SettingsError
from videovault.media.setup import media_workers_running
from videovault.scans.here import prepare_roots, scan_here
from videovault.scans.schemas import ScanBody, ScanResult
from videovault.settings import Settings
from webcommon.api.problems import Problem
from webcommon.commands import Failure, ServiceAccess

Result = TypeVar("Result")

group = typer.Typer(help="Scans of the folders with films.", no_args_is_help=True, add_completion=False)

Folders = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[DIR]...",
        help="Folders inside of VIDEOVAULT_MEDIA_ROOTS. Default: all that are roots already.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs: JSON instead of lines.")]

COUNTS = (
    *("added", "moved", "changed", "unchanged", "missing", "returned"),
    *("hashed", "opened", "probed", "ambiguous"),
)


@group.command(short_help="Scan folders: their files become videos, and videos follow their files.")
def scan(
    context: typer.Context,
    folders: Folders = None,
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Read all files again, also those that look unchanged.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Scan folders: their files become videos, and videos follow their files. No file is written, moved or deleted.

    A folder that no root covers is made a root. A file that is gone makes its video missing, and nothing is deleted. Where
    another process scans a root already, its result is waited for. The service need not run.

    Example: VIDEOVAULT_MEDIA_ROOTS=/srv/films quartet videovault scan /srv/films

    Exit codes: 0 · 1 a root cannot be reached, or the scan was cancelled · 2 wrong setting or usage · 6 wrong password · 10 no
    server answers
    """

    async def work(database: Database, settings: Settings) -> list[ScanBody]:
        with _progress(is_quiet=as_json) as show:
            roots = await prepare_roots(database, settings, list(map(os.fsencode, folders or [])))
            async with media_workers_running(settings) as workers:
                return [
                    await scan_here(database, settings, root, full=full, media_workers=workers, show=show)
                    for root in roots
                ]

    scans = _run(context, work)
    if as_json:
        typer.echo(json.dumps([json.loads(each.model_dump_json()) for each in scans], indent=2))
    else:
        for each in scans:
            _print(each)
    if any(each.status != "done" for each in scans):
        raise typer.Exit(1)


@group.command(short_help="Scan folders, and again whenever something changes in them.")
def watch(context: typer.Context, folders: Folders = None) -> None:
    """Scan folders, and again whenever something changes in them, until Ctrl-C.

    The operating system tells of changes on disks of this machine; of those that others make on network disks it does not, so
    scan these by a timer.

    Exit codes: 0 · 2 wrong setting or usage · 6 wrong password · 10 no server answers
    """

    # Only this command needs watchfiles.
    watching = importlib.import_module("videovault.scans.watching")

    async def work(database: Database, settings: Settings) -> None:
        roots = await prepare_roots(database, settings, list(map(os.fsencode, folders or [])))
        async with media_workers_running(settings) as workers:
            async for scan in watching.watch_roots(database, settings, roots, media_workers=workers):
                _print(scan)

    _run(context, work)


def _print(scan: ScanBody) -> None:
    console = Console(soft_wrap=True, highlight=False, markup=False)
    result = scan.result
    numbers = [f"{getattr(result, name):,} {name}" for name in COUNTS if getattr(result, name)]
    colour = "green" if scan.status == "done" else "red"
    console.print(scan.status.replace("_", " "), style=colour, end="")
    console.print(f": {', '.join(numbers) or 'no films'}")
    for error in result.errors:
        console.print(f"  {error.code}: {_plain(error.path)}: {error.detail}", style="yellow")
    if result.error_count > len(result.errors):
        console.print(f"  and {result.error_count - len(result.errors):,} more")
    for group_ in result.ambiguities:
        told = f"{', '.join(map(_plain, group_.missing))} or {', '.join(map(_plain, group_.new))}"
        console.print(f"  the same content, and nothing tells which is which: {told}", style="yellow")


def _plain(path: str) -> str:
    """A path on one line, without characters that a terminal would obey."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in path
    )


@contextlib.contextmanager
def _progress(*, is_quiet: bool) -> Iterator[Callable[[ScanResult], None]]:
    console = Console(stderr=True)
    if is_quiet or not console.is_terminal:
        yield lambda _result: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("scanning", total=None)

        def show(result: ScanResult) -> None:
            seen = result.unchanged + result.hashed + result.returned
            bars.update(
                task,
                description=f"{seen:,} files seen, {result.hashed:,} read, {result.probed:,} probed, {result.error_count:,} errors",
            )

        yield show


def _run(context: typer.Context, work: Callable[[Database, Settings], Awaitable[Result]]) -> Result:
    access: ServiceAccess = context.obj
    settings: Settings = access.settings("videovault")
    if settings.database is None:
        raise Failure(
            "there is no library to scan for: VIDEOVAULT_PERSISTENCE says that the browser keeps it"
        )
    try:
        return asyncio.run(_connected(settings, work))
    except DatabaseError as error:
        raise Failure(f"videovault_db does not answer: {error}") from error
    except Problem as problem:
        raise Failure(f"{problem.title}: {problem.detail or problem.title}") from problem


async def _connected(settings: Settings, work: Callable[[Database, Settings], Awaitable[Result]]) -> Result:
    assert settings.database is not None  # noqa: S101 - asked above
    # Of the connections that the role may open, the services' pools leave few.
    few = settings.database.model_copy(update={"pool": PoolSettings(min=0, max=2, wait_seconds=30)})
    database = Database(few, application_name="quartet-videovault")
    async with database.running():
        return await work(database, settings)


class _OwnSettings:
    """The settings of this process: `webcommon.commands.ServiceAccess` without `quartet`."""

    def settings(self, _service: str) -> Settings:
        try:
            return Settings.from_environment()
        except SettingsError as error:
            raise Failure("\n".join(error.lines)) from None


def main() -> None:
    """The program `videovault`, which reads the environment."""
    try:
        sys.exit(group(standalone_mode=False, obj=_OwnSettings()))
    except typer.TyperException as error:
        _end(f"{error.format_message()}: `videovault --help`", code=2)
    except Failure as failure:
        _end(str(failure), code=failure.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def _end(told: str, *, code: int) -> None:
    for line in told.splitlines():
        typer.echo(f"videovault: {line}", err=True)
    sys.exit(code)
