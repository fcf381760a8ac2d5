"""The rules of scans."""

from uuid import UUID

from dbcommon.engine import Database
from dbcommon.models import new_id
from videovault.roots.errors import RootNotFound
from videovault.roots.repository import find_root
from videovault.scans import repository
from videovault.scans.errors import NoRoots, ScanNotFound
from videovault.scans.schemas import NewScan, ScanBody, ScanResult


async def begin_scan(database: Database, scan: NewScan) -> tuple[ScanBody, bool]:
    """Begin a scan, or give the one that is at the root already; and whether this call began it. Raises `RootNotFound` or
    `NoRoots`."""
    scan_id = new_id()
    async with database.transaction() as db:
        roots = await repository.begin(
            db, scan_id, root_id=scan.root_id, is_full=scan.full, result=ScanResult().model_dump()
        )
        running = None if roots else await repository.find_running(db, scan.root_id)
    if roots:
        return await read_scan(database, scan_id), True
    if running is not None:
        return await read_scan(database, running), False
    if scan.root_id is None:
        raise NoRoots("Make a folder a root first: POST /v1/roots.")
    if await find_root(database, scan.root_id) is None:
        raise RootNotFound
    return await begin_scan(database, scan)  # the other one ended in between


async def read_scan(database: Database, scan_id: UUID) -> ScanBody:
    """Raises `ScanNotFound`."""
    row = await repository.find_scan(database, scan_id)
    if row is None:
        raise ScanNotFound
    return ScanBody.model_validate(row)


async def cancel_scan(database: Database, scan_id: UUID) -> None:
    """End a scan; what it has found stays. One that has ended is left as it is. Raises `ScanNotFound`."""
    async with database.transaction() as db:
        if not await repository.cancel(db, scan_id):
            raise ScanNotFound
