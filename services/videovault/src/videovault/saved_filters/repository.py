"""The statements on saved filters."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import bindparam, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_timestamp, prepare_page
from dbcommon.models import new_id
from dbcommon.rows import AnyRow
from videovault.models import SavedFilter
from videovault.saved_filters.schemas import NewSavedFilter

_POSITION = tuple_(SavedFilter.created_at, SavedFilter.id)
_LAST = tuple_(
    bindparam("last_created_at", type_=SavedFilter.created_at.type),
    bindparam("last_id", type_=SavedFilter.id.type),
)
_ITEM = json_item(
    id=SavedFilter.id,
    name=SavedFilter.name,
    query=SavedFilter.query,
    created_at=json_timestamp(SavedFilter.created_at),
)
_ALL = (
    select(_ITEM, SavedFilter.created_at, SavedFilter.id)
    .where(SavedFilter.user_id == bindparam("user_id"))
    .order_by(SavedFilter.created_at, SavedFilter.id)
)
_FIRST_PAGE = prepare_page(_ALL)
_NEXT_PAGE = prepare_page(_ALL.where(_POSITION > _LAST))


async def find_page(
    database: Database, user_id: UUID, after: Sequence[Any] | None, *, limit: int
) -> "asyncpg.Record":
    """A page of the JSON of `SavedFilterBody`, oldest first."""
    if after is None:
        return await database.fetch_page(_FIRST_PAGE, user_id=user_id, limit=limit)
    last = {"last_created_at": after[0], "last_id": after[1]}
    return await database.fetch_page(_NEXT_PAGE, user_id=user_id, limit=limit, **last)


_RETURNED = "RETURNING id, name, query, created_at"
_INSERT = text(
    "INSERT INTO saved_filters (id, user_id, name, query)"  # noqa: S608 - text of this file
    f" VALUES (:id, :user_id, :name, CAST(:query AS jsonb)) {_RETURNED}"
)
_UPDATE = text(
    "UPDATE saved_filters SET name = :name, query = CAST(:query AS jsonb)"  # noqa: S608 - text of this file
    f" WHERE id = :id AND user_id = :user_id {_RETURNED}"
)
_DELETE = text("DELETE FROM saved_filters WHERE id = :id AND user_id = :user_id RETURNING id")


def _values(given: NewSavedFilter) -> dict[str, str]:
    return {"name": given.name, "query": json.dumps(given.query)}


async def insert_filter(db: AsyncSession, user_id: UUID, given: NewSavedFilter) -> AnyRow:
    """Save a list."""
    return (await db.execute(_INSERT, {"id": new_id(), "user_id": user_id, **_values(given)})).one()


async def update_filter(
    db: AsyncSession, user_id: UUID, filter_id: UUID, *, given: NewSavedFilter
) -> AnyRow | None:
    """Change a saved list; None if the user has none of that id."""
    parameters = {"id": filter_id, "user_id": user_id, **_values(given)}
    return (await db.execute(_UPDATE, parameters)).one_or_none()


async def delete_filter(db: AsyncSession, user_id: UUID, filter_id: UUID) -> bool:
    """Delete a saved list. False if the user has none of that id."""
    deleted = await db.execute(_DELETE, {"id": filter_id, "user_id": user_id})
    return deleted.one_or_none() is not None
