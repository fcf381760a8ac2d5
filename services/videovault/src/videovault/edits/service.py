"""The rules of changing, recording anew, moving and deleting videos."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.constraints import violated_constraint
from dbcommon.models import new_id
from dbcommon.rows import AnyRow
from videovault.changes import repository as changes
from videovault.edits import repository
from videovault.edits.errors import VideoChanged
from videovault.edits.merge_patch import merge_patch
from videovault.edits.schemas import BatchError, BatchResult, BulkResult, Move, VideoPatch
from videovault.entity_tags import is_current
from videovault.errors import VideoNotFound
from videovault.query.service import index_written
from videovault.records import repository as records
from videovault.records.repository import FieldWrite
from videovault.videos.errors import PathTaken, PathTooLong
from videovault.videos.repository import read_inserted_video
from videovault.videos.representation import tag_of
from videovault.videos.schemas import NewVideo, VideoBody
from videovault.videos.service import refusing_long_paths
from webcommon.auth.bearer import Caller

_SURE_PATH = 2600
"""Bytes of a path that always fits into its index."""

_PART = 500
"""Videos of a batch that are read before other requests get their turn."""


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
    return {
        name: value for name, value in values.items() if not repository.same_json(getattr(row, name), value)
    }


async def put_video(db: AsyncSession, video: NewVideo, *, caller: Caller) -> tuple[VideoBody, bool]:
    """Record a video, or change the one with its path; and whether it is new. Raises `PathTooLong`."""
    await changes.begin(db, changes.By(actor=str(caller.id)))
    with refusing_long_paths():
        stored = await _store(db, [video])
    (video_id,) = stored.ids
    return await _read(db, video_id), bool(stored.created)


async def record_batch(db: AsyncSession, given: Sequence[Any], *, caller: Caller) -> BatchResult:
    """Record videos, or change those with their paths, in one transaction; invalid ones are listed."""
    await changes.begin(db, changes.By(actor=str(caller.id)))
    valid: dict[str, tuple[int, NewVideo]] = {}
    errors: list[BatchError] = []
    for index, item in enumerate(given):
        if index % _PART == 0:
            await asyncio.sleep(0)
        try:
            video = NewVideo.model_validate(item)
        except ValidationError as error:
            errors.append(BatchError(index=index, detail=_describe(error)))
        else:
            valid[video.file_path] = index, video
    total: Counter[str] = Counter()
    sure = [video for _, video in valid.values() if len(video.file_path.encode()) <= _SURE_PATH]
    total += (await _store(db, sure)).counts
    for index, video in valid.values():
        if len(video.file_path.encode()) > _SURE_PATH:
            try:
                async with db.begin_nested():
                    with refusing_long_paths():
                        total += (await _store(db, [video])).counts
            except PathTooLong as error:
                errors.append(BatchError(index=index, detail=f"file_path: {error.detail}"))
    errors.sort(key=lambda error: error.index)
    return BatchResult(
        created=total["created"], updated=total["updated"], unchanged=total["unchanged"], errors=errors
    )


def _describe(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'/'.join(str(part) for part in fault['loc']) or '-'}: {fault['msg']}" for fault in faults
    )


@dataclass(frozen=True, kw_only=True)
class _Stored:
    created: frozenset[UUID]
    existing: frozenset[UUID]
    updated: frozenset[UUID]

    @property
    def ids(self) -> frozenset[UUID]:
        return self.created | self.existing

    @property
    def counts(self) -> Counter[str]:
        unchanged = len(self.existing - self.updated)
        return Counter(created=len(self.created), updated=len(self.updated), unchanged=unchanged)


async def _store(db: AsyncSession, videos: Sequence[NewVideo]) -> _Stored:
    """Store videos with different paths; a field that is left out keeps its value in a video that exists."""
    # In the order of their paths, so that two batches wait for each other and do not block each other for ever.
    left = {video.file_path: video for video in sorted(videos, key=lambda video: video.file_path)}
    created: dict[UUID, NewVideo] = {}
    existing: dict[UUID, NewVideo] = {}
    writes: list[FieldWrite] = []
    # One that is deleted between the two statements is inserted in the next turn.
    while left:
        inserted = await records.insert_videos(db, map(_new_row, left.values()))
        created |= {video_id: left.pop(path) for path, video_id in inserted.items()}
        for path, row in (await records.lock_paths(db, left)).items():
            video = existing[row.id] = left.pop(path)
            values = video.model_dump(exclude_unset=True, exclude={"file_path", "tags"})
            if "metadata" in values:
                values["metadata"] = values["metadata"] or {}
            if changed := _differing(row, values):
                writes.append(FieldWrite(id=row.id, values=changed))
    await records.write_fields(db, writes)
    tags = {
        video_id: video.tags
        for video_id, video in (created | existing).items()
        if video.tags or "tags" in video.model_fields_set
    }
    tagged = await repository.set_tags(db, tags, new=created)
    await index_written(db, existing)
    updated = {write.id for write in writes} | (tagged & existing.keys())
    return _Stored(created=frozenset(created), existing=frozenset(existing), updated=frozenset(updated))


def _new_row(video: NewVideo) -> dict[str, Any]:
    return video.model_dump(exclude={"tags"}) | {"id": new_id(), "metadata": video.metadata or {}}


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
    """Delete videos with their tags and their history; never a file."""
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
