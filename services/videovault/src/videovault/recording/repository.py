"""The statements that record many videos: staged by COPY, then stored by a few statements on all of them.

A statement is about a few hundred rows, so that none takes long enough to be ended. Staged rows are numbered in the order of
their paths: two transactions that store the same paths wait for each other, and do not block each other for ever.
"""

from collections.abc import AsyncIterator, Iterator, Set
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from sqlalchemy import CursorResult, TextClause, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from videovault.models import StagedVideo, Video

STEP = 500
"""Rows of a statement."""

COLUMNS = tuple(
    column.name for column in StagedVideo.__table__.columns if column.name not in ("run", "is_new")
)
"""What a staged row has, in this order."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What became of staged videos: how many were made, how many were there, and which of those changed."""

    created: int
    existing: int
    updated: Set[UUID]


async def stage(db: AsyncSession, run: UUID, rows: AsyncIterator[tuple[Any, ...]]) -> None:
    """Copy rows of `COLUMNS`, at most `STEP`."""
    connection = await (await db.connection()).get_raw_connection()
    driver: Any = connection.driver_connection
    await driver.copy_records_to_table(
        "staged_videos", records=_with_run(run, rows), columns=("run", *COLUMNS)
    )


async def _with_run(run: UUID, rows: AsyncIterator[tuple[Any, ...]]) -> AsyncIterator[tuple[Any, ...]]:
    async for row in rows:
        yield (run, *row)


_RANGE = "s.run = :run AND s.number > :after AND s.number <= :upto"
_EXISTING = f"{_RANGE} AND NOT s.is_new"
_VALUES = (
    "file_name",
    "file_size",
    "mime_type",
    "duration_seconds",
    "metadata",
    "hash",
    "title",
    "description",
)
_WORDS = ("words", "search_text", "search_starts", "name_key", "random_key", "indexed_at")


def _listed(prefix: str = "") -> str:
    return ", ".join(f"{prefix}{name}" for name in ("id", "file_path", *_VALUES, *_WORDS))


# A video and its tags get one time here: with the triggers' own ones each video would be written again for its tags.
_INSERT = text(
    f"INSERT INTO videos ({_listed()}, clocks, last_at) SELECT {_listed('s.')}, jsonb_build_object('*', m.at), m.at"  # noqa: S608
    " FROM staged_videos s, (SELECT next_time(NULL) AS at OFFSET 0) m"
    f" WHERE {_RANGE} AND s.is_new ORDER BY s.number ON CONFLICT (file_path) DO NOTHING"
)
_LOCK_EXISTING = text(
    """
    WITH locked AS (
        SELECT v.id, s.number FROM staged_videos s JOIN videos v ON v.file_path = s.file_path AND v.id <> s.id
            WHERE s.run = :run ORDER BY v.id FOR NO KEY UPDATE OF v
    )
    UPDATE staged_videos s SET id = l.id, is_new = false FROM locked l WHERE s.run = :run AND s.number = l.number
    """
)


def _is_given(name: str) -> str:
    return f"'{name}' = ANY(s.given)"


_SETS = ", ".join(f"{name} = CASE WHEN {_is_given(name)} THEN s.{name} ELSE v.{name} END" for name in _VALUES)
_DIFFERS = " OR ".join(f"({_is_given(name)} AND s.{name} IS DISTINCT FROM v.{name})" for name in _VALUES)
_UPDATE = text(
    f"UPDATE videos v SET {_SETS} FROM staged_videos s"  # noqa: S608 - names of this file
    f" WHERE {_EXISTING} AND v.id = s.id AND ({_DIFFERS}) RETURNING v.id"
)
_TAGS = "CROSS JOIN LATERAL jsonb_array_elements(s.tags) WITH ORDINALITY t (tag, place)"
_INSERT_TAGS = text(
    "INSERT INTO tags (id, video_id, tag_category, tag_name, dots)"  # noqa: S608 - names of this file
    " SELECT gen_random_uuid(), s.id, t.tag ->> 0, t.tag ->> 1, jsonb_build_object(v.last_at, t.tag)"
    f" FROM staged_videos s JOIN videos v ON v.id = s.id {_TAGS}"
    f" WHERE {_RANGE} AND s.is_new ORDER BY s.number, t.place ON CONFLICT DO NOTHING"
)


def _folded(place: int) -> str:
    return f"normalize(lower(normalize(t.tag ->> {place}, NFKC)), NFKC)"


_IS_TAG = f"(h.folded_category, h.folded_name) = ({_folded(0)}, {_folded(1)})"
_REMOVE_TAGS = text(
    f"DELETE FROM tags h USING staged_videos s WHERE {_EXISTING} AND s.tags IS NOT NULL AND h.video_id = s.id"  # noqa: S608
    f" AND NOT EXISTS (SELECT FROM jsonb_array_elements(s.tags) t (tag) WHERE {_IS_TAG}) RETURNING h.video_id"
)
_ADD_TAGS = text(
    "INSERT INTO tags (id, video_id, tag_category, tag_name)"  # noqa: S608 - names of this file
    f" SELECT gen_random_uuid(), s.id, t.tag ->> 0, t.tag ->> 1 FROM staged_videos s {_TAGS}"
    f" WHERE {_EXISTING} AND NOT EXISTS (SELECT FROM tags h WHERE h.video_id = s.id AND {_IS_TAG})"
    " ORDER BY s.number, t.place ON CONFLICT DO NOTHING RETURNING video_id"
)
_CLEAR = text("DELETE FROM staged_videos WHERE run = :run")


async def store_staged(db: AsyncSession, run: UUID, *, count: int) -> Stored:
    """Store the `count` videos that were staged: new ones with their tags; of one that is there what is given."""
    created = existing = 0
    # One that is deleted between the two statements is inserted in the next turn.
    while created + existing < count:
        created += await _count(db, _INSERT, run, count)
        if created + existing < count:
            existing += cast("CursorResult[Any]", await db.execute(_LOCK_EXISTING, {"run": run})).rowcount
    updated: set[UUID] = set()
    if created:
        await _count(db, _INSERT_TAGS, run, count)
    if existing:
        for statement in (_UPDATE, _REMOVE_TAGS, _ADD_TAGS):
            for step in _steps(run, count):
                updated.update((await db.execute(statement, step)).scalars())
    await db.execute(_CLEAR, {"run": run})
    return Stored(created=created, existing=existing, updated=updated)


async def _count(db: AsyncSession, statement: TextClause, run: UUID, count: int) -> int:
    results = [await db.execute(statement, step) for step in _steps(run, count)]
    return sum(cast("CursorResult[Any]", result).rowcount for result in results)


def _steps(run: UUID, count: int) -> Iterator[dict[str, Any]]:
    for after in range(0, count, STEP):
        yield {"run": run, "after": after, "upto": after + STEP}


_ID = select(Video.id).where(Video.file_path == bindparam("path"))


async def read_id(db: AsyncSession, path: str) -> UUID:
    """The id of the video that this transaction has stored under a path."""
    video_id: UUID = (await db.execute(_ID, {"path": path})).scalar_one()
    return video_id
