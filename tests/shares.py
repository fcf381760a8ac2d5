"""How the tests are divided: among worker processes, between two servers, and between two runs of CI."""

import functools
import os
import zlib
from pathlib import Path, PurePosixPath
from typing import Literal

import pytest
from xdist.scheduler import LoadFileScheduling

Half = Literal["even", "odd"]

ROOT = Path(__file__).parents[1]
SERVICES = ROOT / "tests/services"

ON_ONE_STACK = frozenset({"tests/suite/test_ended_sessions.py", "tests/suite/test_two_processes.py"})
"""Files whose tests share one stack: each stack is eight processes to start."""


def count_workers() -> int:
    """Three for two cores: a test that waits leaves its core to another one."""
    cores = os.cpu_count() or 1
    return cores + (cores + 1) // 2


def unit_of(file: str) -> str:
    """What stays together in one worker, and in one half: a file (its path from the root), or those on one stack."""
    return "tests/suite/stack.py" if file in ON_ONE_STACK else file


class UnitScheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Sends the tests of a unit to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid.partition("::")[0])


def half_of(item: pytest.Item) -> Half | None:
    """The half of a service's test that uses a database, or of a drill; None for tests that run with either."""
    if item.get_closest_marker("service"):
        return _halves_of_services().get(item.path) if item.get_closest_marker("database") else None
    return half_of_drill(item.path) if item.get_closest_marker("long") else None


@functools.cache
def _halves_of_services() -> dict[Path, Half]:
    """Halves of equal length: the longest file first, each into the shorter half."""
    found: dict[Path, Half] = {}
    taken: dict[Half, int] = {"even": 0, "odd": 0}
    files = (path for path in SERVICES.rglob("test_*.py") if path.name != "test_migrations.py")
    for size, path in sorted(((path.stat().st_size, path) for path in files), reverse=True):
        found[path] = min(taken, key=lambda half: taken[half])
        taken[found[path]] += size
    return found


def half_of_drill(path: Path) -> Half:
    """By the file's name, so that no other change moves a drill into the half that has just run."""
    name = PurePosixPath(unit_of(path.relative_to(ROOT).as_posix())).stem
    return "odd" if zlib.crc32(name.encode()) % 2 else "even"
