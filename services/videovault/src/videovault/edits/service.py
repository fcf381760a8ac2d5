"""The rules of changing, moving and deleting videos."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.constraints import violated_constraint
from dbcommon.rows import AnyRow
from videovault.changes import repository as changes
from videovault.changes.schemas import BulkResult
from videovault.edits.errors import VideoChanged
from videovault.edits.merge_patch import merge_patch
from videovault.edits.schemas import Move, VideoPatch
from videovault.entity_tags import is_current
from videovault.errors import VideoNotFound
from videovault.query.service import index_written
from videovault.records import repository as records
from videovault.records.repository import FieldWrite
from videovault.videos.errors import PathTaken
from videovault.videos.repository import read_inserted_video
from videovault.videos.representation import tag_of
from videovault.videos.schemas import VideoBody
from videovault.videos.service import refusing_long_paths
from webcommon.auth.bearer import Caller


async def patch_video(
    db: AsyncSession, video_id: UUID, patch: VideoPatch, *, caller: Caller, if_match: str | None
) -> VideoBody:
    """Change fields of a video. Raises `VideoNotFound`, and `VideoChanged` when it is not what `if_match` names."""
    await changes.begin(db, changes.By(actor=str(caller.id)))
    row = await _lock(db, video_id)
    if not is_current(if_match, tag_of(await _read(db, video_id))):
        raise VideoChanged("Read it again and repeat the change.")
    values = patch.model_dump(exclude_unset=True)
    if "metadata" in values:
        is_cleared = values["metadata"] is None
        values["metadata"] = {} if is_cleared else merge_patch(row.metadata, values["metadata"])
    if changed := _differing(row, values):
        await records.write_fields(db, [FieldWrite(id=video_id, values=changed)])
        await index_written(db, [video_id])
    return await _read(db, video_id)


async def _lock(db: AsyncSession, video_id: UUID) -> AnyRow:
    row = (await records.lock_videos(db, [video_id])).get(video_id)
    if row is None:
        raise VideoNotFound
    return row


async def _read(db: AsyncSession, video_id: UUID) -> VideoBody:
    return VideoBody.model_validate(await read_inserted_video(db, video_id))


def _differing(row: AnyRow, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not _is_same(getattr(row, name), value)}


def _is_same(one: Any, other: Any) -> bool:
    # Unlike in Python, true is not 1 in JSON.
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


async def move_video(db: AsyncSession, video_id: UUID, file_path: str, *, caller: Caller) -> VideoBody:
    """Give a video another path. Raises `VideoNotFound`, `PathTaken`, `PathTooLong`."""
    await changes.begin(db, changes.By(actor=str(caller.id)))
    if video_id not in await _move(db, {video_id: file_path}):
        raise VideoNotFound
    return await _read(db, video_id)


async def bulk_move(db: AsyncSession, moves: Sequence[Move], *, caller: Caller) -> BulkResult:
    """Give videos other paths, all or none of them. Raises `PathTaken`, `PathTooLong`."""
    operation_id = await changes.begin_operation(db, str(caller.id))
    targets = {move.video_id: move.file_path for move in moves}
    moved = await _move(db, targets)
    return _bulk_result(operation_id, changed=moved, asked=targets)


async def bulk_delete(db: AsyncSession, video_ids: Sequence[UUID], *, caller: Caller) -> BulkResult:
    """Delete videos with their tags; never a file."""
    operation_id = await changes.begin_operation(db, str(caller.id))
    deleted = await records.delete_videos(db, video_ids)
    return _bulk_result(operation_id, changed=deleted, asked=dict.fromkeys(video_ids))


def _bulk_result(operation_id: UUID, *, changed: Sequence[UUID], asked: Mapping[UUID, Any]) -> BulkResult:
    found = set(changed)
    not_found = [video_id for video_id in asked if video_id not in found]
    return BulkResult(operation_id=operation_id, changed=len(found), not_found=not_found)


async def _move(db: AsyncSession, targets: Mapping[UUID, str]) -> list[UUID]:
    """Move those of the videos that there are; returns their ids."""
    rows = await records.lock_videos(db, targets)
    paths = [targets[video_id] for video_id in rows]
    twice = {path for path, count in Counter(paths).items() if count > 1}
    if taken := twice | await records.find_taken(db, paths, ids=rows):
        raise _taken(sorted(taken))
    wanted = {targets[video_id]: video_id for video_id in rows}
    in_the_way = [row.id for row in rows.values() if wanted.get(row.stored_path, row.id) != row.id]
    await records.displace(db, in_the_way)
    with refusing_long_paths():
        try:
            await records.write_fields(db, (_moved(row, targets[row.id]) for row in rows.values()))
        except IntegrityError as error:
            if violated_constraint(error) != "uq_videos_file_path":
                raise
            raise _taken(sorted(paths)) from None
    await index_written(db, rows)
    return list(rows)


def _taken(paths: Sequence[str]) -> PathTaken:
    return PathTaken(
        f"Taken: {json.dumps(paths[:10], ensure_ascii=False)}. Delete or move the other video first."
    )


def _moved(row: AnyRow, path: str) -> FieldWrite:
    # A name that is the path's last part stays that.
    values = {"file_path": path}
    name = path.rsplit("/", 1)[-1]
    if row.file_name == row.file_path.rsplit("/", 1)[-1] and name:
        values["file_name"] = name
    return FieldWrite(id=row.id, values=values)
