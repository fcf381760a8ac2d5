"""The rules of undoing an operation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.rows import AnyRow
from videovault.changes import repository as changes
from videovault.changes.merge import METADATA, WHOLE
from videovault.dependencies import refuse_readers
from videovault.query.service import index_written
from videovault.records import repository as records
from videovault.records.repository import FieldWrite, TagWrite
from videovault.tag_names.service import refusing_circles
from videovault.undo import repository
from videovault.undo.errors import OperationExpired, OperationNotFound, OperationUndone
from videovault.undo.rows import undo_rows
from videovault.undo.schemas import KeptChange, Reason, UndoResult
from webcommon.auth.bearer import Caller

KEEPS = timedelta(days=30)
"""How long an operation can be undone."""

RENAMED: Mapping[str, Any] = {}
"""What is left of a tag that became another one, in the log: no adds, where one that was removed has null."""


@dataclass
class _Outcome:
    undone: int = 0
    kept: list[KeptChange] = field(default_factory=list)

    def keep(self, change: AnyRow, reason: Reason) -> None:
        self.kept.append(
            KeptChange(entity=change.entity, entity_id=change.entity_id, field=change.field, reason=reason)
        )

    def settle(self, change: AnyRow, *, is_undone: bool, reason: Reason = "changed-since") -> None:
        if is_undone:
            self.undone += 1
        else:
            self.keep(change, reason)


async def undo(db: AsyncSession, operation_id: UUID, *, caller: Caller) -> UndoResult:
    """Take an operation back, but for what changed since. Raises `OperationNotFound`, `OperationUndone`, `OperationExpired`,
    and `Forbidden` for a reader and an operation on the library."""
    operation = await repository.find_operation(db, operation_id, caller_id=caller.id)
    if operation is None:
        raise OperationNotFound
    if operation.user_id is None:
        refuse_readers(caller)
    if not await repository.claim(db, operation_id, keeps=KEEPS):
        await _refuse(db, operation_id, caller=caller)
    own_id = await changes.begin_operation(db, str(caller.id), user_id=operation.user_id)
    found = await repository.find_changes(db, operation_id)
    whole = [change for change in found if change.field == WHOLE and change.entity == "video"]
    outcome = _Outcome()
    made = [change for change in whole if change.old is None and change.new is not None]
    gone = await _delete(db, operation_id, made, outcome)
    await _put_back(
        db, [change for change in whole if change.new is None and change.old is not None], outcome
    )
    parts = [change for change in found if change.entity_id not in gone and change.field != WHOLE]
    await _write_back(db, [change for change in parts if change.entity == "video"], outcome)
    await _untag(db, [change for change in parts if change.entity == "tag"], outcome)
    await index_written(db, {change.entity_id for change in found if change.entity == "video"} - gone)
    with refusing_circles():
        rows = await undo_rows(db, operation_id, found)
    outcome.undone += len(rows.undone)
    for change in rows.kept:
        # Nobody hears of what another user has.
        if change.user_id in (None, caller.id):
            outcome.keep(change, "changed-since")
    return UndoResult(operation_id=own_id, undone=outcome.undone, kept=outcome.kept)


async def _refuse(db: AsyncSession, operation_id: UUID, *, caller: Caller) -> None:
    operation = await repository.find_operation(db, operation_id, caller_id=caller.id)
    if operation is not None and operation.undone_at is not None:
        raise OperationUndone
    raise OperationExpired


async def _put_back(db: AsyncSession, deleted: Sequence[AnyRow], outcome: _Outcome) -> None:
    tombstones = await records.lock_deleted(db, [change.entity_id for change in deleted])
    is_current = {
        change.entity_id: change.entity_id in tombstones and tombstones[change.entity_id].at == change.at
        for change in deleted
    }
    put = await records.put_back(db, [video_id for video_id, current in is_current.items() if current])
    for change in deleted:
        reason: Reason = "path-taken" if is_current[change.entity_id] else "changed-since"
        outcome.settle(change, is_undone=change.entity_id in put, reason=reason)


async def _write_back(db: AsyncSession, fields: Sequence[AnyRow], outcome: _Outcome) -> None:
    rows = await records.lock_videos(db, {change.entity_id for change in fields})
    current = [(change, _is_current(rows.get(change.entity_id), change)) for change in fields]
    paths = {
        change.entity_id: change.old for change, is_own in current if is_own and change.field == "file_path"
    }
    free = await _choose_free(db, paths)
    await records.displace(
        db, [video_id for video_id, path in free.items() if rows[video_id].stored_path != path]
    )
    values: dict[UUID, dict[str, Any]] = {}
    for change, is_own in current:
        is_taken = change.field == "file_path" and change.entity_id in paths and change.entity_id not in free
        is_undone = is_own and not is_taken
        outcome.settle(change, is_undone=is_undone, reason="path-taken" if is_taken else "changed-since")
        if is_undone:
            _restore(values.setdefault(change.entity_id, {}), change, rows[change.entity_id])
    await records.write_fields(
        db, (FieldWrite(id=video_id, values=given) for video_id, given in values.items())
    )


def _is_current(row: AnyRow | None, change: AnyRow) -> bool:
    if row is None:
        return False
    is_listed = not change.field.startswith(METADATA) or change.field.removeprefix(METADATA) in row.metadata
    at = row.clocks.get(change.field, row.clocks.get(WHOLE) if is_listed else None)
    return bool(at == change.at)


def _restore(values: dict[str, Any], change: AnyRow, row: AnyRow) -> None:
    if not change.field.startswith(METADATA):
        values[change.field] = change.old
        return
    metadata = values.setdefault("metadata", dict(row.metadata))
    key = change.field.removeprefix(METADATA)
    if change.old is None:
        metadata.pop(key, None)
    else:
        metadata[key] = change.old


async def _choose_free(db: AsyncSession, paths: Mapping[UUID, str]) -> dict[UUID, str]:
    """Those of the moves that lead to free paths. A video that stays keeps its path from another."""
    free = dict(paths)
    while True:
        taken = await records.find_taken(db, free.values(), ids=free)
        left = {video_id: path for video_id, path in free.items() if path not in taken}
        if len(left) == len(free):
            return left
        free = left


async def _untag(db: AsyncSession, tags: Sequence[AnyRow], outcome: _Outcome) -> None:
    ids = {change.entity_id for change in tags}
    await records.lock_videos(db, ids)
    next_at = await records.next_tag_times(db, ids)
    present = await records.read_tags(db, ids)
    # What a tag was renamed to is gone for somebody: so is the tag.
    lost = {
        (change.entity_id, change.at)
        for change in tags
        if change.new and not _net(change.new, change.old).keys() & _holding(present, change).keys()
    }
    writes = []
    for change in tags:
        holds = _holding(present, change)
        added, removed = _net(change.new, change.old), _net(change.old, change.new)
        removes = [at for at in added if at in holds]
        is_lost = change.new == RENAMED and (change.entity_id, change.at) in lost
        is_undone = change.entity_id in next_at and (not added or bool(removes)) and not is_lost
        outcome.settle(change, is_undone=is_undone)
        if not is_undone:
            continue
        stays = len(holds) > len(removes)
        adds = {next_at[change.entity_id]: removed[max(removed)]} if removed and not stays else {}
        writes.append(TagWrite(video_id=change.entity_id, tag=change.field, adds=adds, removes=removes))
    await records.merge_tags(db, writes)


def _holding(present: Mapping[UUID, Mapping[str, dict[str, Any]]], change: AnyRow) -> dict[str, Any]:
    return present.get(change.entity_id, {}).get(change.field, {})


def _net(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> dict[str, Any]:
    return {at: spelling for at, spelling in (one or {}).items() if at not in (other or {})}


async def _delete(
    db: AsyncSession, operation_id: UUID, made: Sequence[AnyRow], outcome: _Outcome
) -> set[UUID]:
    rows = await records.lock_videos(db, {change.entity_id for change in made})
    since = await repository.find_changed_since(db, operation_id, rows)
    gone = set(await records.delete_videos(db, rows.keys() - since))
    for change in made:
        outcome.settle(change, is_undone=change.entity_id in gone)
    return gone
