"""Turns errors of the operating system and of PostgreSQL's programs into failures of this package."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from quartet.errors import DiskFull, Failure, NoPermission, ServerFailed

FULL_DISK = re.compile(r"No space left on device|Disk quota exceeded|File too large|could not extend file")


@contextlib.contextmanager
def translate_os_errors(folder: Path) -> Iterator[None]:
    """Raise an OSError of the block as a Failure of one line. `folder` is named where the error names no file."""
    try:
        yield
    except PermissionError as error:
        raise NoPermission(
            f"no permission for {error.filename or folder}: fix its owner or mode, or set QUARTET_HOME to a folder of yours"
        ) from error
    except OSError as error:
        raise failure_from_output(f"cannot work in {folder}", str(error), where=folder) from error


def failure_from_output(what: str, told: str, *, where: Path) -> Failure:
    """The failure that a program's output means, with the line that tells the cause."""
    if FULL_DISK.search(told):
        return DiskFull(
            f"{what}: the disk of {where} is full: free some space there, or set QUARTET_HOME to another disk"
        )
    if "Permission denied" in told:
        return NoPermission(
            f"{what}: {_cause(told)}: fix the owner or mode, or set QUARTET_HOME to a folder of yours"
        )
    return ServerFailed(f"{what}: {_cause(told)} (more in {where})")


def _cause(told: str) -> str:
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    marked = [line for line in lines if re.search(r"(FATAL|PANIC|error):", line)]
    chosen = (marked or lines or ["it said nothing"])[0]
    return re.sub(r"^.*?(FATAL|PANIC|error):\s*", "", chosen)
