"""The statements of sync: operations that were sent, what is written for them, and what is pulled."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import JSON, Text, Uuid, any_, bindparam, cast, literal, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_timestamp, prepare_page
from dbcommon.rows import AnyRow
from videovault.models import SyncOperation, Video

_CLAIM = text(
    "INSERT INTO sync_operations (user_id, op_id, device_id)"
    " SELECT :user_id, id, :device_id FROM unnest(CAST(:ids AS uuid[])) id ORDER BY id"
    " ON CONFLICT DO NOTHING RETURNING op_id"
)
_SETTLE = text(
    "UPDATE sync_operations s SET status = r.status, op = r.op, problem = r.problem"
    " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (op_id uuid, status text, op text, problem jsonb)"
    " WHERE s.user_id = :user_id AND s.op_id = r.op_id"
)


async def claim_operations(
    db: AsyncSession, user_id: UUID, *, device_id: str, op_ids: Iterable[UUID]
) -> set[UUID]:
    """Note that operations were sent; returns those that are new. Waits for others who send the same ones."""
    parameters = {"user_id": user_id, "device_id": device_id, "ids": list(op_ids)}
    return set((await db.execute(_CLAIM, parameters)).scalars())


async def settle_operations(db: AsyncSession, user_id: UUID, *, results: Sequence[Mapping[str, Any]]) -> None:
    """Store what became of operations; each has `op_id`, `status`, and where it was refused `op` and `problem`."""
    await db.execute(_SETTLE, {"user_id": user_id, "rows": json.dumps(results)})


async def read_results(db: AsyncSession, user_id: UUID, *, op_ids: Iterable[UUID]) -> dict[UUID, AnyRow]:
    """`status` and `problem` of operations that were sent before."""
    known = any_(literal(list(op_ids), ARRAY(Uuid())))
    statement = select(SyncOperation.op_id, SyncOperation.status, SyncOperation.problem)
    found = await db.execute(statement.where(SyncOperation.user_id == user_id, SyncOperation.op_id == known))
    return {row.op_id: row for row in found}


_FOLD = text(
    "SELECT t.key, normalize(lower(normalize(t.category, NFKC)), NFKC) || ':' || normalize(lower(normalize(t.name, NFKC)), NFKC) AS folded"
    " FROM unnest(CAST(:keys AS text[]), CAST(:categories AS text[]), CAST(:names AS text[])) t (key, category, name)"
)


async def fold_tags(db: AsyncSession, tags: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The folded `category:name` of tags `{key: [category, name]}`, by their keys."""
    if not tags:
        return {}
    categories, names = [tag[0] for tag in tags.values()], [tag[1] for tag in tags.values()]
    rows = await db.execute(_FOLD, {"keys": list(tags), "categories": categories, "names": names})
    return {row.key: row.folded for row in rows}


async def find_owners(db: AsyncSession, paths: Iterable[str]) -> dict[str, UUID]:
    """The videos that have these paths."""
    statement = select(Video.file_path, Video.id)
    found = await db.execute(statement.where(Video.file_path == any_(literal(list(paths), ARRAY(Text())))))
    return {row.file_path: row.id for row in found}


_CHANGE_TOMBSTONES = text(
    "UPDATE tombstones t SET at = r.at, last_at = greatest(t.last_at, r.last_at), record = t.record || r.record, tags = r.tags"
    " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (id uuid, at text, last_at text, record jsonb, tags jsonb) WHERE t.id = r.id"
)
_REMEMBER_REMOVED = text(
    "INSERT INTO removed_tags (video_id, tag, at)"
    " SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (video_id uuid, tag text, at text) ON CONFLICT DO NOTHING"
)


async def change_tombstones(
    db: AsyncSession, rows: Sequence[Mapping[str, Any]], *, removed: Sequence[Mapping[str, Any]]
) -> None:
    """Change what deleted videos were, and remember adds of tags that were removed from them."""
    if rows:
        await db.execute(_CHANGE_TOMBSTONES, {"rows": json.dumps(rows)})
    if removed:
        await db.execute(_REMEMBER_REMOVED, {"rows": json.dumps(removed)})


_LOG = text(
    "INSERT INTO changes (at, actor, user_id, entity, entity_id, field, old, new, status)"
    " SELECT r.at, :actor, r.user_id, r.entity, r.id, r.field, r.old, r.new, r.status"
    " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (at text, user_id uuid, entity text, id uuid, field text, old jsonb,"
    ' "new" jsonb, status text)'
)


async def log_changes(db: AsyncSession, actor: str, *, rows: Sequence[Mapping[str, Any]]) -> None:
    """Log what no trigger sees: values that did not hold, and changes of what is deleted."""
    if rows:
        await db.execute(_LOG, {"actor": actor, "rows": json.dumps(rows)})


_STREAM = text(
    "SELECT l.stream, CAST((SELECT oid FROM pg_database WHERE datname = current_database()) AS bigint) AS database_oid,"
    " pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_xid FROM library l"
)
# A transaction below the snapshot's xmin has ended, so nothing can still appear before what is given.
_PULL = text(
    """
    SELECT c.xid, c.seq, json_build_object(
            'entity', c.entity, 'id', c.entity_id, 'field', c.field,
            'value', CASE c.entity WHEN 'tag' THEN jsonb_build_object(
                'adds', coalesce(c.new, '{}') - ARRAY(SELECT jsonb_object_keys(c.old)),
                'removes', to_jsonb(ARRAY(
                    SELECT key FROM jsonb_object_keys(c.old) key WHERE NOT coalesce(c.new, '{}') ? key
                ))
            ) ELSE c.new END,
            'at', c.at, 'actor', c.actor
        )::text AS item
        FROM changes c
        WHERE (c.xid, c.seq) > (:xid, :seq)
        AND c.xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
        AND c.status = 'applied'
        AND (c.user_id IS NULL OR c.user_id = :user_id)
        ORDER BY c.xid, c.seq
        LIMIT :limit
    """
)


async def read_stream(database: Database) -> AnyRow:
    """`stream` and `database_oid`, which name the log, and `next_xid`, which no transaction has yet."""
    row = await database.fetch_one(_STREAM)
    assert row is not None  # noqa: S101 - made by the migration
    return row


async def pull(database: Database, user_id: UUID, *, xid: int, seq: int, limit: int) -> Sequence[AnyRow]:
    """Changes after a position, in order: `item`, the JSON of `PulledChange`, and its position."""
    return await database.fetch_all(_PULL, {"xid": xid, "seq": seq, "limit": limit, "user_id": user_id})


_REFUSED_ITEM = json_item(
    op_id=SyncOperation.op_id,
    device_id=SyncOperation.device_id,
    op=cast(SyncOperation.op, JSON),
    problem=SyncOperation.problem,
    created_at=json_timestamp(SyncOperation.created_at),
)
_POSITION = tuple_(SyncOperation.created_at, SyncOperation.op_id)
_LAST = tuple_(
    bindparam("last_created_at", type_=SyncOperation.created_at.type),
    bindparam("last_op_id", type_=SyncOperation.op_id.type),
)
_REFUSED = (
    select(_REFUSED_ITEM, SyncOperation.created_at, SyncOperation.op_id)
    .where(SyncOperation.user_id == bindparam("user_id"), SyncOperation.op.is_not(None))
    .order_by(SyncOperation.created_at, SyncOperation.op_id)
)
_FIRST_PAGE = prepare_page(_REFUSED)
_NEXT_PAGE = prepare_page(_REFUSED.where(_POSITION > _LAST))


async def find_refused_page(
    database: Database, user_id: UUID, after: Sequence[Any] | None, *, limit: int
) -> "asyncpg.Record":
    """A page of the JSON of `RefusedOperation`, oldest first."""
    if after is None:
        return await database.fetch_page(_FIRST_PAGE, user_id=user_id, limit=limit)
    last = {"last_created_at": after[0], "last_op_id": after[1]}
    return await database.fetch_page(_NEXT_PAGE, user_id=user_id, limit=limit, **last)


async def dismiss(db: AsyncSession, user_id: UUID, op_id: UUID) -> bool:
    """Forget what a refused operation was; it stays refused. False when there is none."""
    statement = update(SyncOperation).where(
        SyncOperation.user_id == user_id, SyncOperation.op_id == op_id, SyncOperation.op.is_not(None)
    )
    done = await db.execute(statement.values(op=None).returning(SyncOperation.op_id))
    return done.one_or_none() is not None
