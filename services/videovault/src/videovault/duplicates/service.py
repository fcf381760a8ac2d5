"""The rules of duplicates."""

import asyncio
from collections.abc import Collection, Sequence
from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from videovault.changes import repository as changes
from videovault.duplicates import repository
from videovault.duplicates.errors import NotIdentical
from videovault.duplicates.hashing import read_facts
from videovault.duplicates.schemas import MergeRequest, MergeResult, ProofsBegun
from videovault.entities.repository import lock_owner
from videovault.errors import VideoNotFound
from videovault.files.identity import FileFacts
from videovault.records import repository as records
from videovault.settings import Settings
from webcommon.api.paging import CursorCodec
from webcommon.auth.bearer import Caller

_SCOPE = "duplicates"


async def list_duplicates(
    database: Database, *, cursors: CursorCodec, cursor: str | None, limit: int
) -> Response:
    """A `Page[Group]`, by identity."""
    after = cursors.decode(_SCOPE, cursor)
    page = await repository.find_page(database, after[0] if after else "", limit=limit)
    return cursors.json_page(page, scope=_SCOPE)


async def request_proofs(db: AsyncSession, ids: Sequence[UUID]) -> ProofsBegun:
    """Have the whole files of videos read, anew if they were."""
    found = set(await repository.request_proofs(db, ids))
    return ProofsBegun(
        waiting=len(found), not_found=[each for each in dict.fromkeys(ids) if each not in found]
    )


async def merge(
    database: Database, asked: MergeRequest, *, settings: Settings, caller: Caller
) -> MergeResult:
    """Make one video of several. Raises `VideoNotFound`, and `NotIdentical` unless their files are proved to have one content,
    and are as they were then."""
    others = sorted(set(asked.merge) - {asked.keep})
    ids = [asked.keep, *others]
    rows = await repository.find_files(database, ids)
    _check(rows, ids)
    seen = await asyncio.to_thread(lambda: [read_facts(row, allowed=settings.media_folders) for row in rows])
    if seen != [_proved_facts(row) for row in rows]:
        raise NotIdentical("A file has changed since it was read. Scan, and have the files read again.")
    async with database.transaction() as db:
        operation_id = await changes.begin_operation(db, str(caller.id))
        await records.lock_videos(db, ids)
        _check(await repository.read_files(db, ids), ids)
        await repository.add_tags(db, asked.keep, others)
        await _merge_own_rows(db, asked.keep, others)
        await records.delete_videos(db, others)
    return MergeResult(operation_id=operation_id, merged=len(others))


def _check(rows: Sequence[AnyRow], ids: Collection[UUID]) -> None:
    if {row.id for row in rows} != set(ids):
        raise VideoNotFound
    if not all(row.is_proved for row in rows) or len({row.hash for row in rows}) != 1:
        raise NotIdentical(
            "Have the files read (POST /v1/duplicates/prove), and merge those with one full_hash."
        )


def _proved_facts(row: AnyRow) -> FileFacts:
    return FileFacts(size=row.file_size, mtime=row.mtime, inode=row.inode)


async def _merge_own_rows(db: AsyncSession, keep: UUID, others: Collection[UUID]) -> None:
    for user_id in await repository.find_owners(db, others):
        await lock_owner(db, user_id)
    for mine in await repository.find_mine(db, keep, others):
        await repository.store_mine(db, keep, mine)
    await repository.copy_viewings(db, keep, others)
