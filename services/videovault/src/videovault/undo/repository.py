"""The statements of undoing an operation."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, any_, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.rows import AnyRow
from videovault.models import Change, Operation

_IS_APPLIED = Change.status == "applied"


async def claim(db: AsyncSession, operation_id: UUID, *, keeps: timedelta) -> bool:
    """Mark an operation as undone. False when it is older than `keeps`, or has been undone."""
    statement = update(Operation).where(
        Operation.id == operation_id,
        Operation.undone_at.is_(None),
        Operation.created_at > func.now() - keeps,
    )
    claimed = statement.values(undone_at=func.now()).returning(Operation.id)
    return (await db.execute(claimed)).one_or_none() is not None


async def find_operation(db: AsyncSession, operation_id: UUID, *, caller_id: UUID) -> AnyRow | None:
    """`user_id` and `undone_at` of an operation, unless it is of another user's own rows."""
    is_open = Operation.user_id.is_(None) | (Operation.user_id == caller_id)
    statement = select(Operation.user_id, Operation.undone_at).where(Operation.id == operation_id, is_open)
    return (await db.execute(statement)).one_or_none()


async def find_changes(db: AsyncSession, operation_id: UUID) -> Sequence[AnyRow]:
    """What an operation changed, a row for each field: `old` of its first change, `new` and `at` of its last."""

    def first(column: Any) -> Any:
        return func.array_agg(aggregate_order_by(column, Change.seq))[1]

    def last(column: Any) -> Any:
        return func.array_agg(aggregate_order_by(column, Change.seq.desc()))[1]

    statement = (
        select(
            Change.entity,
            Change.entity_id,
            Change.field,
            first(Change.user_id).label("user_id"),
            first(Change.old).label("old"),
            last(Change.new).label("new"),
            last(Change.at).label("at"),
        )
        .where(Change.operation_id == operation_id, _IS_APPLIED)
        .group_by(Change.entity, Change.entity_id, Change.field)
        .order_by(Change.entity_id, Change.entity, Change.field)
    )
    return (await db.execute(statement)).all()


async def find_changed_since(db: AsyncSession, operation_id: UUID, ids: Iterable[UUID]) -> set[UUID]:
    """Those of the videos that changed after the operation, by another one."""
    last = (
        select(Change.entity_id, func.max(Change.seq).label("seq"))
        .where(
            Change.operation_id == operation_id, Change.entity_id == any_(literal(list(ids), ARRAY(Uuid())))
        )
        .group_by(Change.entity_id)
        .subquery()
    )
    statement = select(Change.entity_id).join(last, Change.entity_id == last.c.entity_id)
    return set((await db.execute(statement.where(Change.seq > last.c.seq, _IS_APPLIED))).scalars())
