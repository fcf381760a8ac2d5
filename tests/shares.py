"""How the tests are divided: among worker processes, between two servers, and among runs of CI."""

import functools
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from xdist.scheduler import LoadFileScheduling

Half = Literal["even", "odd"]

ROOT = Path(__file__).parents[1]
SERVICES = ROOT / "tests/services"

ON_ONE_STACK = frozenset(
    {
        "tests/suite/test_ended_sessions.py",
        "tests/suite/test_stripe_standin.py",
        "tests/suite/test_two_processes.py",
    }
)
"""Files whose tests share one stack: a stack is eight processes to start."""


def count_workers() -> int:
    """Three for two cores: a test that waits leaves its core to another one."""
    cores = os.cpu_count() or 1
    return cores + (cores + 1) // 2


def unit_of(file: str) -> str:
    """What stays together in one worker, and in one share: a file (its path from the root), or those on one stack."""
    return "tests/suite/stack.py" if file in ON_ONE_STACK else file


class UnitScheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Sends the tests of a unit to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid.partition("::")[0])


@dataclass(frozen=True)
class Share:
    """Of so many shares of the long tests (drills) the one with this number, from 0."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Share":
        """What `--drills` says: `1/8`."""
        number, count = text.split("/")
        return cls(int(number), int(count))

    def has(self, test: str) -> bool:
        """Whether this share runs the drill with this id: by its name, so that no other change moves a drill into the share
        that has just run. Those on one stack run together."""
        file = test.partition("::")[0]
        name = unit_of(file) if file in ON_ONE_STACK else test
        # The upper half of the bits divides today's drills most evenly.
        return (zlib.crc32(name.encode()) >> 16) % self.count == self.number


def is_chosen(item: pytest.Item, half: Half | None, drills: Share) -> bool:
    """Whether a test runs: a drill in its share (an exhaustive one where all of them run), another test of a service that uses a
    database in its half, the rest always."""
    if item.get_closest_marker("exhaustive"):
        return drills.count == 1
    if item.get_closest_marker("long"):
        return drills.has(item.nodeid)
    return half is None or half_of(item) in (None, half)


def half_of(item: pytest.Item) -> Half | None:
    """The half of a service's test that uses a database; None for tests that run with either."""
    is_halved = item.get_closest_marker("service") and item.get_closest_marker("database")
    return _halves_of_services().get(item.path) if is_halved else None


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
