"""Words that are made after their video was written, by plain SQL or by a statement on many rows."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.jobs.batches import repeat_in_transactions
from dbcommon.rows import AnyRow
from videovault.query import repository
from videovault.query.grammar import Term, edits_of, is_one_edit
from videovault.query.words import index_columns
from webcommon.turns import Turns

BATCH = 500
"""Rows whose words are made in a transaction."""

STEP = 100
"""Rows of a statement."""


async def index_rows(database: Database) -> None:
    """Make the words of all videos that lack them, or whose words are out of date."""
    await repeat_in_transactions(database.transaction, _index_some, batch=BATCH)


async def index_written(db: AsyncSession, ids: Collection[UUID]) -> None:
    """Make the words of videos that this transaction wrote without them."""
    await _index(db, await repository.lock_unindexed(db, limit=len(ids), ids=ids))


async def _index_some(db: AsyncSession) -> int:
    return await _index(db, await repository.lock_unindexed(db, limit=BATCH))


async def _index(db: AsyncSession, rows: Sequence[AnyRow]) -> int:
    turns = Turns()
    for start in range(0, len(rows), STEP):
        columns = []
        for row in rows[start : start + STEP]:
            await turns.pass_on()
            columns.append({"id": row.id} | _columns(row))
        await repository.set_index_columns(db, columns)
    return len(rows)


def _columns(row: AnyRow) -> dict[str, Any]:
    return index_columns(
        row.id, title=row.title, file_name=row.file_name, file_path=row.file_path, description=row.description
    )


async def find_similar(database: Database, terms: Iterable[Term]) -> dict[str, list[str]]:
    """Of each word of the terms that may have a typo, the words of the vocabulary that are one edit away."""
    words = {term.units[0] for term in terms if term.is_tolerant}
    if not words:
        return {}
    found = await repository.find_words(database, sorted(set().union(*map(edits_of, words))))
    return {word: [other for other in found if is_one_edit(word, other)] for word in words}
