"""The statements of exports and imports."""

from collections.abc import AsyncIterator, Sequence
from functools import cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import CursorResult, TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from videovault.exchange.kinds import KINDS, Kind

ROWS_AT_ONCE = 500
"""Rows that are in memory."""


@cache
def _export(kind: Kind, *, is_whole: bool) -> TextClause:
    pairs = ", ".join(f"'{column}', to_jsonb(t.{column})" for column in kind.columns)
    own = "" if is_whole or not kind.is_own else "WHERE t.user_id IS NULL OR t.user_id = :user_id"
    # `kind` first, for people; json keeps the order, jsonb would not.
    return text(
        f"SELECT CAST(json_build_object('kind', '{kind.name}', {pairs}) AS text) AS line FROM {kind.table} t {own}"  # noqa: S608
        f" ORDER BY {', '.join(f't.{column}' for column in kind.key)}"
    )


async def read_lines(db: AsyncSession, user_id: UUID, *, is_whole: bool) -> AsyncIterator[list[str]]:
    """The lines of all rows, or without those of other users, all of one moment. They are sorted by kind and id."""
    await db.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    await db.execute(text("SET LOCAL TimeZone TO 'UTC'"))
    for kind in sorted(KINDS, key=lambda kind: kind.name):
        statement = _export(kind, is_whole=is_whole)
        parameters = {} if is_whole or not kind.is_own else {"user_id": user_id}
        async for part in (await db.stream(statement, parameters)).scalars().partitions(ROWS_AT_ONCE):
            yield list(part)


_STAGE = text(
    "INSERT INTO staged_rows (run, number, kind, row) SELECT :run, t.number, t.kind, CAST(t.line AS jsonb)"
    " FROM unnest(CAST(:rows AS integer[]), CAST(:kinds AS text[]), CAST(:lines AS text[])) t (number, kind, line)"
)


async def stage(db: AsyncSession, run: UUID, rows: Sequence[tuple[int, str, str]]) -> None:
    """Keep the number, the kind and the JSON of rows until all have arrived."""
    await db.execute(
        _STAGE,
        {
            "run": run,
            "rows": [number for number, _, _ in rows],
            "kinds": [kind for _, kind, _ in rows],
            "lines": [line for _, _, line in rows],
        },
    )


_DISCARD = text("DELETE FROM staged_rows WHERE run = :run OR created_at < now() - interval '1 day'")


async def discard(db: AsyncSession, run: UUID) -> None:
    """Forget the rows of an import, and those that imports left behind that were killed."""
    await db.execute(_DISCARD, {"run": run})


async def begin_storing(db: AsyncSession) -> None:
    """Let others read and not write until the end of the transaction, which may last."""
    await db.execute(text("SET LOCAL statement_timeout TO 0"))
    await db.execute(text("SET LOCAL TimeZone TO 'UTC'"))
    await db.execute(
        text(f"LOCK TABLE {', '.join(kind.table for kind in KINDS)} IN SHARE ROW EXCLUSIVE MODE")
    )


async def empty(db: AsyncSession) -> None:
    """Delete the library and the log of its changes, as if there had been none."""
    for kind in reversed(KINDS):
        await db.execute(text(f"DELETE FROM {kind.table}"))  # noqa: S608 - names of the models
    # What the deletions themselves left.
    for table in ("deleted_rows", "removed_tags", "tombstones"):
        await db.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - of this list
    await db.execute(text("SELECT forget_changes()"))


ADDED = tuple(kind for kind in KINDS if kind.name not in ("removed_row", "removed_tag", "tombstone"))
"""The kinds that a merge stores: it deletes nothing."""


@cache
def _insert(kind: Kind, *, condition: str) -> TextClause:
    columns = ", ".join(kind.columns)
    return text(
        f"INSERT INTO {kind.table} ({columns}) SELECT {', '.join(f'r.{column}' for column in kind.columns)}"  # noqa: S608
        f" FROM staged_rows s CROSS JOIN LATERAL jsonb_populate_record(NULL::{kind.table}, s.row) r"
        f" WHERE s.run = :run AND s.kind = '{kind.name}' {condition} ORDER BY s.number"
        f" {'ON CONFLICT DO NOTHING' if condition else ''}"
    )


async def store(db: AsyncSession, run: UUID, kind: Kind) -> int:
    """Store the rows of a kind as they are; returns their number. Raises DBAPIError for what the table does not take."""
    return _count(await db.execute(_insert(kind, condition=""), {"run": run}))


async def add(db: AsyncSession, run: UUID, kind: Kind) -> int:
    """Store those rows of a kind that are not there and were not deleted, of videos that are; returns their number."""
    unknown = "AND NOT EXISTS (SELECT FROM {} d WHERE {})"
    condition = unknown.format("deleted_rows", f"d.entity = '{kind.name}' AND d.id = r.id")
    if kind.name == "video":
        condition = unknown.format("tombstones", "d.id = r.id")
    elif kind.name == "tag":
        condition = unknown.format("removed_tags", "d.video_id = r.video_id AND r.dots -> d.at IS NOT NULL")
    if "video_id" in kind.columns:
        condition += " AND EXISTS (SELECT FROM videos v WHERE v.id = r.video_id)"
    return _count(await db.execute(_insert(kind, condition=condition), {"run": run}))


def _count(result: Any) -> int:
    return cast("CursorResult[Any]", result).rowcount


_LOG_DELETED = (
    "INSERT INTO changes (at, actor, entity, entity_id, field) SELECT at, :actor, 'video', id, '*' FROM tombstones",
    "INSERT INTO changes (at, actor, user_id, entity, entity_id, field)"
    " SELECT at, :actor, user_id, entity, id, '*' FROM deleted_rows",
    "INSERT INTO changes (at, actor, entity, entity_id, field, old)"
    " SELECT max(at), :actor, 'tag', video_id, tag, jsonb_object_agg(at, NULL) FROM removed_tags GROUP BY video_id, tag",
)


async def log_deleted(db: AsyncSession, actor: str) -> None:
    """Log what the library remembers as deleted, which no trigger sees."""
    for statement in _LOG_DELETED:
        await db.execute(text(statement), {"actor": actor})


async def begin_stream(db: AsyncSession) -> None:
    """Have devices pull the log from its beginning."""
    await db.execute(text("UPDATE library SET stream = gen_random_uuid()"))
