"""Progress on a terminal as bars; elsewhere a line for each part that is done."""

import contextlib
import time
from collections.abc import Callable, Iterator

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

Advance = Callable[[int], None]


class Reporter:
    """Tells of parts that are being worked on, on stderr."""

    def __init__(self, bars: Progress | None) -> None:
        self._bars = bars

    @contextlib.contextmanager
    def part(self, name: str, *, total_bytes: int | None = None) -> Iterator[Advance]:
        """One part: what is yielded is told how many bytes more are done. The total may be an estimate."""
        began, done = time.monotonic(), 0
        task = self._bars.add_task(name, total=total_bytes) if self._bars else None

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if self._bars and task is not None:
                self._bars.update(task, advance=count)

        yield advance
        if self._bars and task is not None:
            self._bars.update(task, completed=done, total=done)
        else:
            typer.echo(f"{name}: {spell_bytes(done)} in {time.monotonic() - began:.1f} s", err=True)


@contextlib.contextmanager
def report_progress() -> Iterator[Reporter]:
    """A reporter for the length of a block."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Reporter(None)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        yield Reporter(bars)


def spell_bytes(count: int) -> str:
    """A number of bytes for people: `1.4 MB`."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
