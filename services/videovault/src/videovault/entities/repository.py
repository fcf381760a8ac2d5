"""Statements that write many rows of an entity at once."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.models import LOWEST_ID
from dbcommon.rows import AnyRow
from videovault.entities.registry import ENTITIES


@dataclass(frozen=True, kw_only=True)
class RowWrite:
    """New values of a row's fields. `clocks` are their hybrid times where they are not the present's, and `last_at` is the latest
    of them."""

    id: UUID
    values: Mapping[str, Any]
    clocks: Mapping[str, str]
    last_at: str = ""


_LOCK_OWNER = text("SELECT user_id FROM owners WHERE user_id = :user_id FOR NO KEY UPDATE")
_ADD_OWNER = text("INSERT INTO owners (user_id) VALUES (:user_id) ON CONFLICT DO NOTHING")


async def lock_owner(db: AsyncSession, user_id: UUID | None) -> None:
    """Wait for other transactions that write rows of this user, or of the library; after videos, and before rows are locked."""
    parameters = {"user_id": user_id or LOWEST_ID}
    while (await db.execute(_LOCK_OWNER, parameters)).one_or_none() is None:
        await db.execute(_ADD_OWNER, parameters)


@cache
def _lock(entity: str) -> TextClause:
    rows = ENTITIES[entity]
    owner = "user_id" if rows.is_own else "CAST(NULL AS uuid) AS user_id"
    return text(
        f"SELECT t.id, {owner}, t.last_at, t.clocks, field_values(to_jsonb(t)) AS record FROM {rows.table} t"  # noqa: S608
        " WHERE t.id = ANY(CAST(:ids AS uuid[])) ORDER BY t.id FOR NO KEY UPDATE"
    )


async def lock_rows(db: AsyncSession, entity: str, ids: Iterable[UUID]) -> dict[UUID, AnyRow]:
    """The rows of these ids that there are, locked: `user_id`, `last_at`, `clocks`, and as the log has it the `record`."""
    return {row.id: row for row in await db.execute(_lock(entity), {"ids": list(ids)})}


_LOCK_DELETED = text(
    "SELECT d.id, d.user_id, d.at, d.last_at, field_values(d.record) AS record FROM deleted_rows d"
    " WHERE d.entity = :entity AND d.id = ANY(CAST(:ids AS uuid[])) ORDER BY d.id FOR UPDATE"
)


async def lock_deleted(db: AsyncSession, entity: str, ids: Iterable[UUID]) -> dict[UUID, AnyRow]:
    """The deleted rows of these ids, locked: `user_id`, `at` of the deletion, `last_at` of what was before, and the `record`."""
    parameters = {"entity": entity, "ids": list(ids)}
    return {row.id: row for row in await db.execute(_LOCK_DELETED, parameters)}


_KNOWN_VIDEOS = text(
    "SELECT id FROM videos WHERE id = ANY(CAST(:ids AS uuid[]))"
    " UNION SELECT id FROM tombstones WHERE id = ANY(CAST(:ids AS uuid[]))"
)


@cache
def _known(entity: str) -> TextClause:
    rows = ENTITIES[entity]
    whose = "user_id IS NOT DISTINCT FROM CAST(:user_id AS uuid)"
    return text(
        f"SELECT id FROM {rows.table} WHERE id = ANY(CAST(:ids AS uuid[])) {f'AND {whose}' if rows.is_own else ''}"  # noqa: S608
        f" UNION SELECT id FROM deleted_rows WHERE entity = '{entity}' AND id = ANY(CAST(:ids AS uuid[])) AND {whose}"
    )


async def find_known(
    db: AsyncSession, entity: str, ids: Iterable[UUID], *, user_id: UUID | None
) -> set[UUID]:
    """Those of the ids that are of videos, or of rows of a user or of the library, deleted ones too."""
    if entity == "video":
        return set((await db.execute(_KNOWN_VIDEOS, {"ids": list(ids)})).scalars())
    return set((await db.execute(_known(entity), {"ids": list(ids), "user_id": user_id})).scalars())


@cache
def _count(entity: str) -> TextClause:
    rows = ENTITIES[entity]
    within = rows.within or "user_id"
    return text(
        f"SELECT {within} AS within, count(*) AS number FROM {rows.table} WHERE user_id = :user_id GROUP BY 1"  # noqa: S608
    )


async def count_rows(db: AsyncSession, entity: str, *, user_id: UUID) -> dict[str, int]:
    """How many rows a user has, by the value of the field within which there are not more than so many, or by the user."""
    found = await db.execute(_count(entity), {"user_id": user_id})
    return {str(row.within): row.number for row in found}


@cache
def _insert(entity: str) -> TextClause:
    rows = ENTITIES[entity]
    columns = [*(["user_id"] if rows.is_own else []), "id", "clocks", "last_at", *rows.fields]
    return text(
        f"INSERT INTO {rows.table} ({', '.join(columns)}) SELECT {', '.join(f'r.{column}' for column in columns)}"  # noqa: S608
        f" FROM jsonb_populate_recordset(NULL::{rows.table}, CAST(:rows AS jsonb)) r ORDER BY r.id"
    )


async def insert_rows(
    db: AsyncSession, entity: str, writes: Iterable[RowWrite], *, user_id: UUID | None
) -> None:
    """Make rows of a user, or of the library. Raises IntegrityError when another transaction made one of them."""
    rows = [
        {
            **ENTITIES[entity].defaults,
            **write.values,
            "id": str(write.id),
            "user_id": user_id and str(user_id),
            "clocks": dict(write.clocks),
            "last_at": write.last_at,
        }
        for write in writes
    ]
    if rows:
        await db.execute(_insert(entity), {"rows": json.dumps(rows, default=str)})


@cache
def _write(entity: str) -> TextClause:
    rows = ENTITIES[entity]
    sets = ", ".join(
        f"{field} = CASE WHEN w.given ? '{field}' THEN p.{field} ELSE t.{field} END" for field in rows.fields
    )
    return text(
        f"UPDATE {rows.table} t SET {sets}, clocks = t.clocks || w.clocks, last_at = greatest(t.last_at, w.last_at)"  # noqa: S608
        ' FROM jsonb_to_recordset(CAST(:writes AS jsonb)) AS w (id uuid, "given" jsonb, clocks jsonb, last_at text)'
        f" CROSS JOIN LATERAL jsonb_populate_record(NULL::{rows.table}, w.given) AS p WHERE t.id = w.id"
    )


async def write_fields(db: AsyncSession, entity: str, writes: Iterable[RowWrite]) -> None:
    """Write values into rows that are locked."""
    if rows := _as_json(writes):
        await db.execute(_write(entity), {"writes": json.dumps(rows, default=str)})


def _as_json(writes: Iterable[RowWrite]) -> list[dict[str, Any]]:
    return [
        {
            "id": str(write.id),
            "given": dict(write.values),
            "clocks": dict(write.clocks),
            "last_at": write.last_at,
        }
        for write in writes
    ]


@cache
def _delete(entity: str) -> TextClause:
    table = ENTITIES[entity].table
    return text(f"DELETE FROM {table} WHERE id = ANY(CAST(:ids AS uuid[]))")  # noqa: S608 - names of the models


async def delete_rows(db: AsyncSession, entity: str, ids: Iterable[UUID]) -> None:
    """Delete rows that are locked."""
    await db.execute(_delete(entity), {"ids": list(ids)})


_CHANGE_DELETED = text(
    "UPDATE deleted_rows d SET at = greatest(d.at, w.at), last_at = greatest(d.last_at, w.last_at),"
    " record = d.record || w.given || jsonb_build_object('clocks', d.record -> 'clocks' || w.clocks)"
    ' FROM jsonb_to_recordset(CAST(:writes AS jsonb)) AS w (id uuid, "given" jsonb, clocks jsonb, last_at text, at text)'
    " WHERE d.entity = :entity AND d.id = w.id"
)


async def change_deleted(
    db: AsyncSession, entity: str, writes: Sequence[RowWrite], *, deleted: Mapping[UUID, str]
) -> None:
    """Change what deleted rows were, and when they were deleted."""
    rows = [{**row, "at": deleted[write.id]} for row, write in zip(_as_json(writes), writes, strict=True)]
    if rows:
        await db.execute(_CHANGE_DELETED, {"entity": entity, "writes": json.dumps(rows, default=str)})


@cache
def _put_back(entity: str) -> TextClause:
    rows = ENTITIES[entity]
    names = [
        column.name
        for column in rows.model.__table__.columns
        if column.name != "last_at" and column.computed is None
    ]
    return text(
        f"INSERT INTO {rows.table} ({', '.join(names)}, last_at) SELECT {', '.join(f'r.{name}' for name in names)}, r.last_at"  # noqa: S608
        " FROM deleted_rows d CROSS JOIN LATERAL next_time(greatest(d.at, d.last_at)) AS put_at"
        f" CROSS JOIN LATERAL jsonb_populate_record(NULL::{rows.table}, d.record || jsonb_build_object("
        "'last_at', put_at, 'clocks', d.record -> 'clocks' || jsonb_build_object('+', put_at))) r"
        " WHERE d.entity = :entity AND d.id = ANY(CAST(:ids AS uuid[])) ORDER BY d.id ON CONFLICT DO NOTHING RETURNING id"
    )


async def put_back(db: AsyncSession, entity: str, ids: Iterable[UUID]) -> set[UUID]:
    """Put deleted rows back as they were, with their ids; returns those in whose place no other row is."""
    return set((await db.execute(_put_back(entity), {"entity": entity, "ids": list(ids)})).scalars())
