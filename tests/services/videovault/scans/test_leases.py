"""Which process a scan belongs to. No application is there, which would take scans by itself."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import text

from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from tests.conftest import CopyDatabase
from tests.services.videovault.library import settings_for
from tests.services.videovault.scans.folders import write
from videovault.dependencies import LOCAL_OWNER
from videovault.roots.schemas import NewRoot
from videovault.roots.service import create_root, delete_root
from videovault.scans.schemas import NewScan
from videovault.scans.service import begin_scan, cancel_scan, read_scan
from videovault.scans.worker import ClaimedScan, claim_scan, run_claimed
from videovault.settings import Settings


@dataclass(frozen=True)
class Place:
    """A database, and a root with one film."""

    database: Database
    settings: Settings
    folder: Path
    root_id: UUID

    async def begin(self) -> UUID:
        """Begin a scan of the root."""
        scan, is_new = await begin_scan(self.database, NewScan(root_id=self.root_id))
        assert is_new
        return scan.id

    async def claim(self, scan_id: UUID | None = None) -> ClaimedScan:
        """Take a scan."""
        claimed = await claim_scan(self.database, self.settings, scan_id=scan_id)
        assert claimed is not None
        return claimed

    async def execute(self, statement: str) -> None:
        """Run a statement."""
        async with self.database.transaction() as db:
            await db.execute(text(statement))

    async def count(self, table: str) -> int:
        """The rows of a table."""
        row = await self.database.fetch_one(text(f"SELECT count(*) FROM {table}"))  # noqa: S608 - of these tests
        assert row is not None
        return int(row[0])


@pytest_asyncio.fixture(scope="module")
async def lonely(copy_database: CopyDatabase) -> AsyncIterator[Database]:
    """A database that no application uses."""
    database = Database(await copy_database("videovault"), application_name="tests")
    async with database.running():
        yield database


@pytest.fixture
def real_path(tmp_path: Path) -> Path:
    """A folder by its real path."""
    return tmp_path.resolve()


@pytest_asyncio.fixture
async def place(lonely: Database, real_path: Path) -> Place:
    """A root with one film in an empty library."""
    folder = real_path
    write(folder / "a.mp4", b"content")
    settings = settings_for(lonely.settings, media_roots=str(folder))
    async with lonely.transaction() as db:
        for table in ("videos", "roots", "scans"):
            await db.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - of this list
    root = await create_root(lonely, settings, NewRoot(path=str(folder)))
    return Place(lonely, settings, folder, root.id)


async def test_of_fifty_that_begin_a_scan_at_once_one_does(place: Place) -> None:
    begun = await asyncio.gather(
        *(begin_scan(place.database, NewScan(root_id=place.root_id)) for _ in range(50))
    )

    assert sorted(is_new for _, is_new in begun) == [False] * 49 + [True]
    assert len({scan.id for scan, _ in begun}) == 1
    assert await place.count("scans") == 1


async def test_of_fifty_processes_one_takes_a_scan(place: Place) -> None:
    await place.begin()

    claimed = await asyncio.gather(*(claim_scan(place.database, place.settings) for _ in range(50)))

    assert sum(each is not None for each in claimed) == 1


@pytest.mark.parametrize("end", ["cancelled", "root forgotten", "taken over"])
async def test_a_process_that_lost_its_scan_writes_nothing_more(place: Place, end: str) -> None:
    scan_id = await place.begin()
    claimed = await place.claim()
    if end == "cancelled":
        await cancel_scan(place.database, scan_id)
    elif end == "root forgotten":
        await delete_root(place.database, place.root_id, caller=LOCAL_OWNER)
    else:
        await place.execute("UPDATE scans SET lease_until = now()")
        await place.claim(scan_id)

    await run_claimed(place.database, claimed)

    assert await place.count("videos") == await place.count("staged_files") == 0
    status = (await read_scan(place.database, scan_id)).status
    assert status == ("running" if end == "taken over" else "cancelled")


async def test_a_scan_that_its_process_leaves_is_free_for_another(place: Place) -> None:
    scan_id = await place.begin()
    claimed = await place.claim()
    assert await claim_scan(place.database, place.settings) is None

    task = asyncio.create_task(run_claimed(place.database, claimed))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})

    assert (await place.claim()).scan_id == scan_id


async def test_a_scan_that_fails_ends_and_its_root_can_be_scanned(place: Place) -> None:
    scan_id = await place.begin()
    claimed = await place.claim()
    await place.execute("UPDATE roots SET path_bytes = convert_to(path || '/', 'UTF8') || '\\x00'")

    await run_claimed(place.database, claimed)

    assert (await read_scan(place.database, scan_id)).status == "failed"
    await place.execute("UPDATE roots SET path_bytes = NULL")
    await place.begin()
    await run_claimed(place.database, await place.claim())
    assert await place.count("videos") == 1


async def test_what_a_dead_process_has_read_is_not_read_again(place: Place) -> None:
    for number in range(20):
        write(place.folder / f"{number}.mp4", f"{number}".encode())
    await place.begin()
    first = await place.claim()
    run = first.run
    (root,) = await run_roots(place)
    assert await run.look_at(root)
    assert await place.count("staged_files") == 21
    (place.folder / "0.mp4").unlink()
    await place.execute(f"UPDATE scans SET lease_until = now() WHERE id = '{first.scan_id}'")  # noqa: S608

    await run_claimed(place.database, await place.claim())

    scan = await read_scan(place.database, first.scan_id)
    assert (scan.status, scan.result.added, scan.result.opened, scan.result.missing) == ("done", 20, 0, 0)
    assert await place.count("videos") == 20
    assert await place.count("staged_files") == 0


async def run_roots(place: Place) -> list[AnyRow]:
    """The rows of the roots."""
    return list(await place.database.fetch_all(text("SELECT id, path, path_bytes, device, inode FROM roots")))
