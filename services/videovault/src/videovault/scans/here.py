"""Scans in this process, for commands."""

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

from dbcommon.engine import Database
from dbcommon.jobs.periodic import run_every
from dbcommon.schedule import Schedule
from videovault.media.calls import MediaWorkers
from videovault.roots.folders import find_folder
from videovault.roots.repository import find_covering, list_ids
from videovault.roots.schemas import NewRoot
from videovault.roots.service import create_root
from videovault.scans.errors import NoRoots
from videovault.scans.schemas import NewScan, ScanBody, ScanResult
from videovault.scans.service import begin_scan, read_scan
from videovault.scans.worker import ClaimedScan, claim_scan, run_claimed
from videovault.settings import Settings

SHOW_SECONDS = 0.2
"""How often progress is shown, and looked for where another process scans."""


async def prepare_roots(database: Database, settings: Settings, folders: Sequence[bytes]) -> list[UUID]:
    """The roots that cover the folders, made where none does; all roots if no folder is named. Raises `OutsideMediaRoots`,
    `NotAFolder`, `RootsOverlap` or `NoRoots`."""
    if not folders:
        ids = await list_ids(database)
        if not ids:
            raise NoRoots("Name a folder.")
        return ids
    found: dict[UUID, None] = {}
    for each in folders:
        folder = await asyncio.to_thread(find_folder, each, allowed=settings.media_folders)
        root_id = await find_covering(database, folder.path)
        if root_id is None:
            root_id = (await create_root(database, settings, NewRoot(path=folder.path))).id
        found[root_id] = None
    return list(found)


async def scan_here(
    database: Database,
    settings: Settings,
    root_id: UUID,
    *,
    full: bool = False,
    media_workers: MediaWorkers | None = None,
    show: Callable[[ScanResult], None] = lambda _result: None,
) -> ScanBody:
    """Scan the root to the end, or wait for the process that is at it. `show` is told what was found so far."""
    scan, _ = await begin_scan(database, NewScan(root_id=root_id, full=full))
    while scan.status == "running":
        claimed = await claim_scan(database, settings, scan_id=scan.id, media_workers=media_workers)
        if claimed is None:
            await asyncio.sleep(SHOW_SECONDS)
        else:
            await _run_shown(database, claimed, show)
        scan = await read_scan(database, scan.id)
        show(scan.result)
    return scan


async def _run_shown(database: Database, claimed: ClaimedScan, show: Callable[[ScanResult], None]) -> None:
    async def tell() -> None:
        show(claimed.run.tally.result)

    async with run_every(Schedule(seconds=SHOW_SECONDS), tell, name="the progress on the terminal"):
        await run_claimed(database, claimed)
