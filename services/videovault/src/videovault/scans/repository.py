"""The statements on scans: who runs which, and what they have found."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.listen import notify
from dbcommon.rows import AnyRow
from videovault.files.walking import RootMark
from videovault.models import Root, Scan, ScanStatus, StagedFile

CHANNEL = "scans"
"""Where the ids of scans that have got on, or ended, are told."""

KEPT = timedelta(days=90)
"""How long the results of scans are kept."""

_COLUMNS = (
    Scan.id,
    Scan.root_ids,
    Scan.is_full.label("full"),
    Scan.status,
    Scan.result,
    Scan.created_at,
    Scan.ended_at,
)


async def find_scan(database: Database, scan_id: UUID) -> AnyRow | None:
    """The scan's columns for `ScanBody`."""
    return await database.fetch_one(select(*_COLUMNS).where(Scan.id == scan_id))


async def begin(
    db: AsyncSession,
    scan_id: UUID,
    *,
    root_id: UUID | None,
    is_full: bool,
    result: Mapping[str, Any],
    runner: UUID | None = None,
    lease: timedelta = timedelta(0),
) -> list[UUID]:
    """Begin a scan of the root, or of all roots; those at which another scan is are left to it.
    With a runner it is that one's for the length of the lease. The ids of its roots; there is no scan without one."""
    await db.execute(delete(Scan).where(Scan.ended_at < func.now() - KEPT))
    values = {
        "id": scan_id,
        "root_ids": [],
        "is_full": is_full,
        "result": dict(result),
        "runner": runner,
        "lease_until": func.clock_timestamp() + lease,
    }
    await db.execute(insert(Scan).values(values))
    free = select(Root.id).where(Root.scan_id.is_(None)).order_by(Root.id).with_for_update()
    if root_id is not None:
        free = free.where(Root.id == root_id)
    taken = update(Root).where(Root.id.in_(free)).values(scan_id=scan_id).returning(Root.id)
    ids = list((await db.execute(taken)).scalars())
    own = Scan.id == scan_id
    await db.execute(update(Scan).where(own).values(root_ids=ids) if ids else delete(Scan).where(own))
    return ids


async def find_running(db: AsyncSession, root_id: UUID | None) -> UUID | None:
    """The scan that is at the root, or at any."""
    found = select(Root.scan_id).where(Root.scan_id.is_not(None)).limit(1)
    if root_id is not None:
        found = found.where(Root.id == root_id)
    return (await db.execute(found)).scalar_one_or_none()


async def claim(db: AsyncSession, runner: UUID, *, lease: timedelta, scan_id: UUID | None) -> AnyRow | None:
    """Take a scan, any or this one, that no process is at; None when there is none."""
    due = (
        select(Scan.id)
        .where(Scan.status == "running", Scan.lease_until <= func.clock_timestamp())
        .order_by(Scan.lease_until)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if scan_id is not None:
        due = due.where(Scan.id == scan_id)
    taken = update(Scan).where(Scan.id == due.scalar_subquery())
    values = {"runner": runner, "lease_until": func.clock_timestamp() + lease}
    return (await db.execute(taken.values(values).returning(*_COLUMNS))).one_or_none()


async def hold(
    db: AsyncSession, scan_id: UUID, runner: UUID, *, lease: timedelta, result: Mapping[str, Any]
) -> bool:
    """Prolong the lease, and store what was found; False when the scan is not this runner's any more."""
    held = update(Scan).where(_is_own(scan_id, runner))
    values = {"lease_until": func.clock_timestamp() + lease, "result": dict(result)}
    return (await db.execute(held.values(values).returning(Scan.id))).one_or_none() is not None


async def release(db: AsyncSession, scan_id: UUID, runner: UUID) -> None:
    """Let another process take the scan at once."""
    free = {"lease_until": func.clock_timestamp(), "runner": None}
    await db.execute(update(Scan).where(_is_own(scan_id, runner)).values(free))


async def finish(db: AsyncSession, scan_id: UUID, runner: UUID, *, status: ScanStatus) -> None:
    """The scan has come to its end; its roots can be scanned again."""
    ended = {"status": status, "ended_at": func.clock_timestamp(), "runner": None}
    await db.execute(update(Scan).where(_is_own(scan_id, runner)).values(ended))
    await db.execute(update(Root).where(Root.scan_id == scan_id).values(scan_id=None))
    await tell(db, scan_id)


async def cancel(db: AsyncSession, scan_id: UUID) -> bool:
    """End a scan that runs, and let its roots be scanned again; False when there is none with that id."""
    found = select(Scan.status).where(Scan.id == scan_id).with_for_update(key_share=True)
    if (await db.execute(found)).one_or_none() is None:
        return False
    ended = update(Scan).where(Scan.id == scan_id, Scan.status == "running")
    await db.execute(ended.values(status="cancelled", ended_at=func.clock_timestamp(), runner=None))
    await db.execute(update(Root).where(Root.scan_id == scan_id).values(scan_id=None))
    await tell(db, scan_id)
    return True


def _is_own(scan_id: UUID, runner: UUID) -> ColumnElement[bool]:
    return (Scan.id == scan_id) & (Scan.runner == runner) & (Scan.status == "running")


async def tell(db: AsyncSession, scan_id: UUID) -> None:
    """Let those who follow the scan read it again, once this transaction is committed."""
    await notify(db, CHANNEL, str(scan_id))


async def list_roots(database: Database, scan_id: UUID) -> list[AnyRow]:
    """The roots at which the scan is, by path."""
    columns = (Root.id, Root.path, Root.path_bytes, Root.device, Root.inode)
    return list(await database.fetch_all(select(*columns).where(Root.scan_id == scan_id).order_by(Root.path)))


async def note_mark(db: AsyncSession, root_id: UUID, mark: RootMark) -> None:
    """Keep which folder the root is."""
    await db.execute(update(Root).where(Root.id == root_id).values(device=mark.device, inode=mark.inode))


async def delete_staged(db: AsyncSession, root_ids: Collection[UUID]) -> None:
    """Forget what was staged for these roots."""
    await db.execute(delete(StagedFile).where(StagedFile.root_id.in_(root_ids)))
