"""The statements on what media files hold. Each is about many videos at once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from videovault.files.comparing import KnownFile
from videovault.files.repository import SCANNED_METADATA


@dataclass(frozen=True, kw_only=True, slots=True)
class NotProbed:
    """A video of whose content it is not known what it holds. `true_path` where its path is not UTF-8."""

    file: KnownFile
    true_path: bytes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbedVideo:
    """What the content with this identity holds, and what is wrong with it."""

    id: UUID
    identity: bytes
    duration_seconds: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    title: str | None = None
    error: dict[str, str] | None = None


_NOT_PROBED = text(
    """
    SELECT id, file_path, path_bytes, file_size, mtime, inode, identity
        FROM videos
        WHERE file_path > :last AND file_path < :end AND file_size > 0
        AND identity IS NOT NULL AND probed IS DISTINCT FROM identity AND missing_since IS NULL
        ORDER BY file_path LIMIT :most
    """
)
_FORGET_FAILURES = text(
    "UPDATE videos SET probed = NULL, probe_error = NULL"
    " WHERE file_path > :first AND file_path < :end AND identity IS NOT NULL AND probe_error IS NOT NULL"
)
_FAILURES = """
    FROM videos
    WHERE file_path > :first AND file_path < :end AND identity IS NOT NULL AND probe_error IS NOT NULL
    AND probed = identity AND missing_since IS NULL
"""
_LIST_FAILURES = text(f"SELECT file_path, probe_error {_FAILURES} ORDER BY file_path LIMIT :most")
_COUNT_FAILURES = text(f"SELECT count(*) {_FAILURES}")
# A title that anybody has changed, also to none, has a time of its own.
_NOTE = text(
    """
    WITH p AS (
        SELECT * FROM jsonb_to_recordset(CAST(:probed AS jsonb))
            AS p (id uuid, identity text, duration_seconds integer, metadata jsonb, title text, error jsonb)
    ), locked AS (
        SELECT v.id FROM videos v JOIN p ON v.id = p.id AND v.identity = decode(p.identity, 'hex')
            ORDER BY v.id FOR NO KEY UPDATE OF v
    )
    UPDATE videos v
        SET probed = v.identity, probe_error = p.error,
            duration_seconds = coalesce(p.duration_seconds, v.duration_seconds),
            metadata = (v.metadata - CAST(:owned AS text[])) || p.metadata,
            title = CASE WHEN v.title IS NULL AND NOT v.clocks ? 'title' THEN p.title ELSE v.title END
        FROM p JOIN locked ON locked.id = p.id
        WHERE v.id = p.id
    """
)


async def list_not_probed(database: Database, *, last: str, end: str, most: int) -> list[NotProbed]:
    """Videos that are to be probed, with a path after `last` and before `end`; by path."""
    rows = await database.fetch_all(_NOT_PROBED, {"last": last, "end": end, "most": most})
    return [NotProbed(file=_known(row), true_path=row.path_bytes) for row in rows]


def _known(row: AnyRow) -> KnownFile:
    return KnownFile(
        id=row.id,
        path=row.file_path,
        size=row.file_size,
        mtime=row.mtime,
        inode=row.inode,
        identity=row.identity,
        is_missing=False,
    )


async def forget_failures(db: AsyncSession, first: str, end: str) -> None:
    """Videos with paths between the two of which probing failed are probed again."""
    await db.execute(_FORGET_FAILURES, {"first": first, "end": end})


async def list_failures(
    database: Database, first: str, end: str, *, most: int
) -> tuple[list[tuple[str, dict[str, str]]], int]:
    """Paths and errors of the first videos between the two that are broken, and how many there are."""
    span = {"first": first, "end": end}
    rows = await database.fetch_all(_LIST_FAILURES, {**span, "most": most})
    count = await database.fetch_one(_COUNT_FAILURES, span)
    return [(row.file_path, row.probe_error) for row in rows], 0 if count is None else int(count[0])


async def note_probed(db: AsyncSession, probed: Sequence[ProbedVideo]) -> None:
    """Keep what videos hold, whose files have that content still."""
    rows = [
        {
            "id": str(each.id),
            "identity": each.identity.hex(),
            "duration_seconds": each.duration_seconds,
            "metadata": each.metadata,
            "title": each.title,
            "error": each.error,
        }
        for each in probed
    ]
    await db.execute(_NOTE, {"probed": json.dumps(rows), "owned": list(SCANNED_METADATA)})
