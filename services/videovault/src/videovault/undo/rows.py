"""Undoing changes of entities whose rows are fields alone."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.rows import AnyRow
from videovault.changes.merge import WHOLE
from videovault.entities import repository as entities
from videovault.entities.registry import ENTITIES
from videovault.entities.repository import RowWrite
from videovault.undo import repository


@dataclass(kw_only=True)
class Undone:
    """The changes of rows that were taken back, and those that stay."""

    undone: list[AnyRow] = field(default_factory=list)
    kept: list[AnyRow] = field(default_factory=list)


async def undo_rows(db: AsyncSession, operation_id: UUID, found: Sequence[AnyRow]) -> Undone:
    """Take changes of rows back, but for rows and fields that others changed since."""
    result = Undone()
    changes = sorted(
        (change for change in found if change.entity in ENTITIES), key=lambda change: change.entity
    )
    for owner in sorted({change.user_id for change in changes}, key=str):
        await entities.lock_owner(db, owner)
    for entity, group in groupby(changes, key=lambda change: change.entity):
        await _undo(db, operation_id, entity, list(group), result)
    return result


async def _undo(
    db: AsyncSession, operation_id: UUID, entity: str, changes: Sequence[AnyRow], result: Undone
) -> None:
    ids = {change.entity_id for change in changes}
    rows = await entities.lock_rows(db, entity, ids)
    graves = await entities.lock_deleted(db, entity, ids - rows.keys())
    whole = [change for change in changes if change.field == WHOLE]
    made = {change.entity_id for change in whole if change.old is None and change.new is not None}
    since = await repository.find_changed_since(db, operation_id, made)
    gone = made & rows.keys() - since
    await entities.delete_rows(db, entity, gone)
    buried = [change.entity_id for change in whole if change.new is None and _is_last(graves, change)]
    put = await entities.put_back(db, entity, buried)
    parts = [change for change in changes if change.field != WHOLE]
    current = {
        (change.entity_id, change.field)
        for change in parts
        if change.entity_id not in made and _is_current(rows.get(change.entity_id), change)
    }
    await entities.write_fields(db, entity, _writes(parts, current))
    for change in whole:
        is_undone = change.entity_id in gone or change.entity_id in put
        (result.undone if is_undone else result.kept).append(change)
    for change in parts:
        if change.entity_id not in gone:
            is_undone = (change.entity_id, change.field) in current
            (result.undone if is_undone else result.kept).append(change)


def _is_last(graves: Mapping[UUID, AnyRow], change: AnyRow) -> bool:
    return change.entity_id in graves and bool(graves[change.entity_id].at == change.at)


def _is_current(row: AnyRow | None, change: AnyRow) -> bool:
    return row is not None and bool(row.clocks.get(change.field) == change.at)


def _writes(changes: Sequence[AnyRow], current: Collection[tuple[UUID, str]]) -> Iterator[RowWrite]:
    values: dict[UUID, dict[str, object]] = {}
    for change in changes:
        if (change.entity_id, change.field) in current:
            values.setdefault(change.entity_id, {})[change.field] = change.old
    for row_id, given in values.items():
        yield RowWrite(id=row_id, values=given, clocks={})
