"""The statements on the log of changes. The log itself is written by triggers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Text,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_timestamp, prepare_page
from videovault.changes.merge import WHOLE
from videovault.models import Change, Operation, mine_id


@dataclass(frozen=True, kw_only=True)
class By:
    """Who makes the changes of a transaction.

    `actor`: the id of a user, or the name of a part of the service and what it works on. `operation_id`: the operation
    that they belong to. `at`: the hybrid time of deletions and removals, where it is not the present.
    """

    actor: str
    operation_id: UUID | None = None
    at: str | None = None


async def begin(db: AsyncSession, by: By) -> None:
    """Say who makes the changes of the rest of this transaction. Without it the log names `sql`."""
    said = {
        "videovault.actor": by.actor,
        "videovault.operation_id": "" if by.operation_id is None else str(by.operation_id),
        "videovault.at": by.at or "",
    }
    if by.operation_id is not None:
        # Of many rows: the checks of foreign keys would be planned for each, as the service's reads are.
        said["plan_cache_mode"] = "auto"
    is_local = True
    await db.execute(select(*(func.set_config(name, value, is_local) for name, value in said.items())))


async def begin_operation(db: AsyncSession, actor: str, *, user_id: UUID | None = None) -> UUID:
    """Begin an operation, to which the changes of the rest of this transaction belong; returns its id.

    `user_id`: of the user whose own rows it changes, who alone may undo it.
    """
    inserted = insert(Operation).values(actor=actor, user_id=user_id).returning(Operation.id)
    operation_id: UUID = (await db.execute(inserted)).scalar_one()
    await begin(db, By(actor=actor, operation_id=operation_id))
    return operation_id


def _shown(column: Any) -> ColumnElement[Any]:
    """A value as the list shows it: a tag by the spelling of its last add, a record without its times."""
    add = func.jsonb_each(column).table_valued("key", "value")
    tag = (
        select(
            func.jsonb_build_object(
                "tag_category", add.c.value.op("->")(0), "tag_name", add.c.value.op("->")(1)
            )
        )
        .order_by(add.c.key.desc())
        .limit(1)
        .scalar_subquery()
    )
    whole = column.op("-")(literal_column("'clocks'", Text()))
    return case((Change.entity == "tag", tag), (Change.field == WHOLE, whole), else_=column)


_ITEM = json_item(
    at=Change.at,
    actor=Change.actor,
    entity=Change.entity,
    field=Change.field,
    old=_shown(Change.old),
    new=_shown(Change.new),
    operation_id=Change.operation_id,
    status=Change.status,
    created_at=json_timestamp(Change.created_at),
)
_IS_VISIBLE = or_(Change.user_id.is_(None), Change.user_id == bindparam("caller_id"))
_FIRST = (
    select(_ITEM, Change.seq)
    .where(
        or_(Change.entity_id == bindparam("entity_id"), Change.entity_id == bindparam("mine_id")), _IS_VISIBLE
    )
    .order_by(Change.seq.desc())
)
_FIRST_PAGE = prepare_page(_FIRST)
_NEXT_PAGE = prepare_page(_FIRST.where(Change.seq < bindparam("last_seq", type_=BigInteger())))


async def find_page(
    database: Database, video_id: UUID, after: Sequence[Any] | None, *, caller_id: UUID, limit: int
) -> "asyncpg.Record":
    """A page of the JSON of `ChangeBody`, newest first: what is shared, and what is the caller's own."""
    parameters: dict[str, Any] = {
        "entity_id": video_id,
        "mine_id": mine_id(caller_id, video_id),
        "caller_id": caller_id,
        "limit": limit,
    }
    if after is None:
        return await database.fetch_page(_FIRST_PAGE, **parameters)
    return await database.fetch_page(_NEXT_PAGE, **parameters, last_seq=after[0])


async def purge(db: AsyncSession, limit: int) -> int:
    """Delete old rows of the log that a later one makes needless, `limit` at most; returns how many."""
    purged: int = (await db.execute(select(func.purge_changes(limit, type_=Integer())))).scalar_one()
    return purged
