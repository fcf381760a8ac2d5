"""A scan that is killed with -9 at any point, and begun again: nothing is lost, nothing doubled, and moves are found."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import text

from dbcommon.engine import Database
from tests.conftest import CopyDatabase
from tests.services.videovault.library import settings_for
from tests.services.videovault.scans.folders import write
from videovault.roots.schemas import NewRoot
from videovault.roots.service import create_root
from videovault.scans.schemas import NewScan
from videovault.scans.service import begin_scan, read_scan

ROOT = Path(__file__).resolve().parents[4]

BEFORE = {f"{name}.mp4": name for name in ("a", "b", "c", "d", "e", "gone", "h", "replaced", "stays")} | {
    f"many/{number}.mp4": f"many {number}" for number in range(6)
}
"""The films that were scanned: contents by names."""

AFTER = {
    # Two change places, three follow each other, one moves away, six into another folder; one is new, and one is a copy.
    "a.mp4": "b",
    "b.mp4": "a",
    "c.mp4": "d",
    "d.mp4": "e",
    "away/c.mp4": "c",
    "moved h.mp4": "h",
    "replaced.mp4": "another content",
    "stays.mp4": "stays",
    "copy.mp4": "stays",
    "new.mp4": "new",
    **{f"other/{number}.mp4": f"many {number}" for number in range(6)},
}

FOLLOWED = {
    "a.mp4": "b.mp4",
    "b.mp4": "a.mp4",
    "c.mp4": "d.mp4",
    "d.mp4": "e.mp4",
    "away/c.mp4": "c.mp4",
    "moved h.mp4": "h.mp4",
    "replaced.mp4": "replaced.mp4",
    "stays.mp4": "stays.mp4",
    **{f"other/{number}.mp4": f"many/{number}.mp4" for number in range(6)},
}
"""Of each path the one that its video had."""


@dataclass(frozen=True)
class Killing:
    """The program of failpoints, a library and its folder."""

    program: "subprocess.Popen[str]"
    database: Database
    folder: Path
    log: Path

    def run(self, *, failpoint: int = 0) -> int:
        """Run the scan that is due in a process of its own, up to the failpoint; its exit code."""
        self.log.write_text("")
        environment = {
            "VIDEOVAULT_SECRET": "s" * 32,
            "VIDEOVAULT_MEDIA_ROOTS": str(self.folder),
            "VIDEOVAULT_DATABASE_URL": self.database.settings.url.reveal(),
            "FAILPOINT": str(failpoint),
            "FAILPOINT_LOG": str(self.log),
        }
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        self.program.stdin.write(f"{json.dumps(environment)}\n")
        self.program.stdin.flush()
        return int(self.program.stdout.readline())

    @property
    def points(self) -> list[str]:
        """The points of the last process."""
        return self.log.read_text().splitlines()

    def fill(self, films: dict[str, str]) -> None:
        """Put these films in the place of all."""
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, content in films.items():
            write(self.folder / name, content.encode())

    async def begin(self) -> UUID:
        """Begin a scan of all roots."""
        scan, is_new = await begin_scan(self.database, NewScan())
        assert is_new
        return scan.id

    async def execute(self, *statements: str) -> None:
        """Run statements."""
        async with self.database.transaction() as db:
            for statement in statements:
                await db.execute(text(statement))

    async def videos(self, condition: str) -> dict[str, UUID]:
        """The ids of videos by their paths below the folder."""
        rows = await self.database.fetch_all(
            text(f"SELECT file_path, id FROM videos WHERE {condition}")  # noqa: S608 - of this file
        )
        return {row.file_path.removeprefix(f"{self.folder}/"): row.id for row in rows}

    async def prepare(self) -> dict[str, UUID]:
        """Scan the films as they were, change them, and begin the next scan; the ids of the videos."""
        await self.execute("DELETE FROM videos", "DELETE FROM staged_files", "DELETE FROM scans")
        self.fill(BEFORE)
        await self.begin()
        assert self.run() == 0
        before = await self.videos("missing_since IS NULL")
        assert set(before) == set(BEFORE)
        self.fill(AFTER)
        return before


@pytest.fixture(scope="module")
def program() -> Iterator["subprocess.Popen[str]"]:
    """The program of failpoints."""
    command = [sys.executable, "-m", f"{__package__}.failpoints"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


@pytest_asyncio.fixture(scope="module")
async def killing(
    program: "subprocess.Popen[str]", copy_database: CopyDatabase, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Killing]:
    """A library that no application serves."""
    database = Database(await copy_database("videovault"), application_name="tests")
    place = tmp_path_factory.mktemp("kills").resolve()
    (place / "films").mkdir()
    async with database.running():
        settings = settings_for(database.settings, media_roots=str(place))
        await create_root(database, settings, NewRoot(path=str(place / "films")))
        yield Killing(program, database, place / "films", place / "points")


@pytest_asyncio.fixture(scope="module")
async def points(killing: Killing) -> int:
    """How many points a scan has that is not killed."""
    await killing.prepare()
    await killing.begin()
    assert killing.run() == 0
    assert {"before a commit", "after a commit", "after a reading"} == set(killing.points)
    return len(killing.points)


async def kill_and_go_on(killing: Killing, failpoint: int) -> None:
    """Kill a scan at the point, let another process take it, and look at what it has made of the library."""
    before = await killing.prepare()
    scan_id = await killing.begin()

    assert killing.run(failpoint=failpoint) == -signal.SIGKILL
    await killing.execute("UPDATE scans SET lease_until = now() WHERE status = 'running'")
    assert killing.run() == 0

    told = f"killed {killing.points[:1]} {failpoint}"
    scan = await read_scan(killing.database, scan_id)
    result = scan.result
    assert (scan.status, result.moved, result.added, result.changed, result.missing) == (
        "done",
        12,
        2,
        1,
        1,
    ), told
    there = await killing.videos("missing_since IS NULL")
    assert {path: there[path] for path in FOLLOWED} == {new: before[old] for new, old in FOLLOWED.items()}, (
        told
    )
    assert set(there) == set(AFTER), told
    assert await killing.videos("missing_since IS NOT NULL") == {"gone.mp4": before["gone.mp4"]}, told
    left = await killing.database.fetch_one(text("SELECT count(*) FROM staged_files"))
    assert left is not None
    assert left[0] == 0, told


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
async def test_a_killed_scan_is_gone_on_with(killing: Killing, points: int, part: float) -> None:
    await kill_and_go_on(killing, int(part * points))


@pytest.mark.long
@pytest.mark.parametrize("share", range(8))
async def test_a_scan_is_killed_at_each_of_its_points_and_gone_on_with(
    killing: Killing, points: int, share: int
) -> None:
    # After the last commit there is nothing to go on with.
    for failpoint in range(1 + share, points, 8):
        await kill_and_go_on(killing, failpoint)
