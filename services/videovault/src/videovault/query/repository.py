"""The statements on words: rows whose words are to be made, and the vocabulary."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, any_, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.driver_statements import DriverText
from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from videovault.models import Video


async def lock_unindexed(
    db: AsyncSession, *, limit: int, ids: Collection[UUID] | None = None
) -> Sequence[AnyRow]:
    """Some videos, or some of `ids`, whose words are to be made; those that another transaction has locked are passed over."""
    statement = (
        select(Video.id, Video.title, Video.file_name, Video.file_path, Video.description)
        .where(Video.indexed_at.is_(None))
        .order_by(Video.id)
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    )
    if ids is not None:
        statement = statement.where(Video.id == any_(literal(list(ids), ARRAY(Uuid()))))
    return (await db.execute(statement)).all()


# One statement for all: each has triggers, which look at all of its rows at once.
_SET_INDEX_COLUMNS = text(
    "UPDATE videos v SET words = r.words, search_text = r.search_text, search_starts = r.search_starts,"
    " name_key = r.name_key, random_key = r.random_key, indexed_at = r.indexed_at"
    " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (id uuid, words text[], search_text text, search_starts integer[],"
    " name_key text, random_key bigint, indexed_at timestamptz)"
    " WHERE v.id = r.id"
)


async def set_index_columns(db: AsyncSession, columns: Sequence[Mapping[str, Any]]) -> None:
    """Store the columns of `index_columns` of several videos; each has its `id` as well."""
    await db.execute(_SET_INDEX_COLUMNS, {"rows": json.dumps(columns, default=str)})


_SHARING_EDITS = DriverText(text("SELECT word FROM vocabulary WHERE edits && :edits"))


async def find_words(database: Database, edits: Sequence[str]) -> set[str]:
    """The words of the vocabulary that are one of these, or are without one of their letters."""
    return {row["word"] for row in await database.fetch_records(_SHARING_EDITS, edits=edits)}
