"""The statements on roots, and on the videos below them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import bindparam, delete, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_timestamp, prepare_page
from dbcommon.rows import AnyRow
from videovault.models import Root, Scan, StagedFile
from videovault.roots.folders import Folder

_COLUMNS = (Root.id, Root.path, Root.scan_id, Root.created_at)
_AS_JSON = json_item(
    id=Root.id, path=Root.path, scan_id=Root.scan_id, created_at=json_timestamp(Root.created_at)
)
_PAGE = select(_AS_JSON, Root.path).order_by(Root.path)
_FIRST_PAGE = prepare_page(_PAGE)
_NEXT_PAGE = prepare_page(_PAGE.where(Root.path > bindparam("path", type_=Root.path.type)))


async def find_page(database: Database, *, limit: int, after: Sequence[Any] | None) -> "asyncpg.Record":
    """A page of the JSON of `RootBody`, by path."""
    if after is None:
        return await database.fetch_page(_FIRST_PAGE, limit=limit)
    return await database.fetch_page(_NEXT_PAGE, limit=limit, path=after[0])


async def find_root(database: Database, root_id: UUID) -> AnyRow | None:
    """The root's columns for `RootBody`, and its path's bytes."""
    return await database.fetch_one(select(*_COLUMNS, Root.path_bytes).where(Root.id == root_id))


async def list_ids(database: Database) -> list[UUID]:
    """The ids of all roots, by path."""
    return [row.id for row in await database.fetch_all(select(Root.id).order_by(Root.path))]


async def find_covering(database: Database, path: str) -> UUID | None:
    """The root that a folder is, or lies in."""
    covers = or_(Root.path == path, func.starts_with(path, func.concat(func.rtrim(Root.path, "/"), "/")))
    row = await database.fetch_one(select(Root.id).where(covers))
    return None if row is None else row.id


async def lock_roots(db: AsyncSession) -> None:
    """Let no other transaction change which folders are roots until this one ends."""
    await db.execute(text("LOCK TABLE roots IN SHARE ROW EXCLUSIVE MODE"))


async def overlaps(db: AsyncSession, path: str, *, but: UUID | None = None) -> bool:
    """Whether another root than `but` is the folder, contains it, or lies in it."""
    found = select(Root.id).where(
        or_(
            Root.path == path,
            func.starts_with(path, func.concat(func.rtrim(Root.path, "/"), "/")),
            func.starts_with(Root.path, path.rstrip("/") + "/"),
        )
    )
    if but is not None:
        found = found.where(Root.id != but)
    return (await db.execute(found.limit(1))).first() is not None


async def insert_root(db: AsyncSession, folder: Folder) -> AnyRow:
    """Store a root; returns its columns for `RootBody`."""
    values = {"path": folder.path, "path_bytes": folder.path_bytes}
    return (await db.execute(insert(Root).values(values).returning(*_COLUMNS))).one()


async def lock_root(db: AsyncSession, root_id: UUID) -> AnyRow | None:
    """The root's row, kept from others, and the scan that is at it, kept as it is."""
    scan_id = select(Root.scan_id).where(Root.id == root_id).scalar_subquery()
    await db.execute(select(Scan.id).where(Scan.id == scan_id).with_for_update(key_share=True))
    columns = select(Root.id, Root.path, Root.path_bytes, Root.scan_id)
    found = await db.execute(columns.where(Root.id == root_id).with_for_update())
    return found.one_or_none()


async def cancel_scan(db: AsyncSession, scan_id: UUID | None) -> None:
    """End a scan, if it runs, and let its roots be scanned again."""
    ended = update(Scan).where(Scan.id == scan_id, Scan.status == "running")
    await db.execute(ended.values(status="cancelled", ended_at=func.now(), runner=None))
    await db.execute(update(Root).where(Root.scan_id == scan_id).values(scan_id=None))


async def delete_root(db: AsyncSession, root_id: UUID) -> None:
    """Delete the root; its videos stay."""
    await db.execute(delete(Root).where(Root.id == root_id))


async def mark_missing(db: AsyncSession, path: str) -> None:
    """All scanned videos below the folder are missing from now on."""
    first, end = bounds(path)
    await db.execute(
        text(
            "UPDATE videos SET missing_since = now()"
            " WHERE file_path > :first AND file_path < :end AND missing_since IS NULL AND identity IS NOT NULL"
        ),
        {"first": first, "end": end},
    )


def bounds(path: str) -> tuple[str, str]:
    """What the paths below a folder lie between: `/` is followed by `0` in ASCII."""
    folder = path.rstrip("/")
    return f"{folder}/", f"{folder}0"


async def list_known(database: Database, path: str, *, most: int) -> list[str]:
    """The paths below the folder of the first videos that were scanned, without the folder's own."""
    first, end = bounds(path)
    rows = await database.fetch_all(
        text(
            "SELECT substr(file_path, length(:first)) AS rest FROM videos WHERE file_path > :first AND file_path < :end"
            " AND identity IS NOT NULL ORDER BY file_path LIMIT :most"
        ),
        {"first": first, "end": end, "most": most},
    )
    return [row.rest for row in rows]


_MOVING = "\x01moving"
"""Ends the paths of all while the old and the new folder contain each other, so that none is in another's way."""

_TAKEN = text(
    """
    SELECT EXISTS (
        SELECT FROM videos v
            JOIN videos o ON o.file_path = CAST(:new AS text) || substr(v.file_path, CAST(:length AS int) + 1)
            WHERE v.file_path > :first AND v.file_path < :end AND NOT (o.file_path > :first AND o.file_path < :end)
    )
    """
)
_LEAVE = text(
    "UPDATE videos SET file_path = file_path || CAST(:moving AS text) WHERE file_path > :first AND file_path < :end"
)
# Without an inode a file is the one that was there by its size and its time: the inodes of another disk are others.
_ARRIVE = text(
    """
    UPDATE videos
        SET file_path = CAST(:new AS text)
                || substr(left(file_path, length(file_path) - length(CAST(:moving AS text))), CAST(:length AS int) + 1),
            path_bytes = CAST(:new_bytes AS bytea) || substr(path_bytes, CAST(:bytes_length AS int) + 1),
            inode = NULL
        WHERE file_path > :first AND file_path < :end
    """
)


async def is_taken(db: AsyncSession, *, old: str, new: str) -> bool:
    """Whether a video outside of the old folder has a path that one of its would get in the new one."""
    first, end = bounds(old)
    places = {"new": new.rstrip("/"), "length": len(first) - 1, "first": first, "end": end}
    return bool((await db.execute(_TAKEN, places)).scalar_one())


async def relocate(db: AsyncSession, root: AnyRow, folder: Folder) -> None:
    """The root has another folder, and all videos below it, too. Raises IntegrityError when one of their paths is taken."""
    first, end = bounds(root.path)
    new = folder.path.rstrip("/")
    is_nested = new.startswith(first) or root.path.startswith(f"{new}/")
    moving = _MOVING if is_nested else ""
    if is_nested:
        await db.execute(_LEAVE, {"moving": moving, "first": first, "end": end})
    old_bytes, new_bytes = (place.path_bytes or place.path.encode() for place in (root, folder))
    places = {
        "new": new,
        "new_bytes": new_bytes.rstrip(b"/"),
        "length": len(first) - 1,
        "bytes_length": len(old_bytes.rstrip(b"/")),
    }
    await db.execute(_ARRIVE, {**places, "moving": moving, "first": first, "end": end})
    await db.execute(delete(StagedFile).where(StagedFile.root_id == root.id))
    values = {"path": folder.path, "path_bytes": folder.path_bytes, "device": None, "inode": None}
    await db.execute(update(Root).where(Root.id == root.id).values(values))
