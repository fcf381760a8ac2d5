"""The statements on question sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import (
    Row,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_object, json_timestamp, prepare_page
from dbcommon.patterns import containing
from dbcommon.rows import AnySelect
from l2p.models import QuestionSet, SetQuestion, User
from l2p.question_sets.json_formats import FORMAT
from l2p.question_sets.limits import MAXIMUM_SETS


@dataclass(frozen=True, kw_only=True)
class NewSet:
    """A set to be stored."""

    id: UUID
    owner_id: UUID
    title: str
    is_public: bool
    allow_copy: bool


@dataclass(frozen=True, kw_only=True)
class SetFilter:
    """The sets of a list: a player's own or all public ones, with `search` in their title unless it is None."""

    owner_id: UUID | None
    search: str | None

    @property
    def scope(self) -> str:
        """The name of the list: a cursor of another list is refused."""
        return f"question sets owner={self.owner_id or ''} search={self.search or ''}"


@dataclass(frozen=True, kw_only=True)
class SetPosition:
    """A position in a list: after the set with these values."""

    created_at: datetime
    id: UUID


_PLAYER = bindparam("player_id", type_=Uuid())
_OF_SET = SetQuestion.question_set_id == QuestionSet.id
_COUNT = select(func.count()).where(_OF_SET).correlate(QuestionSet).scalar_subquery()
_SUMMARY: dict[str, Any] = {
    "id": QuestionSet.id,
    "owner_id": QuestionSet.owner_id,
    "title": QuestionSet.title,
    "is_public": QuestionSet.is_public,
    "allow_copy": QuestionSet.allow_copy,
    "question_count": _COUNT,
    "created_at": json_timestamp(QuestionSet.created_at),
    "updated_at": json_timestamp(QuestionSet.updated_at),
}
_PUBLIC_QUESTION: dict[str, Any] = {
    "question_text": SetQuestion.question_text,
    "options": SetQuestion.options,
    "points": SetQuestion.points,
    "time_limit_ms": SetQuestion.time_limit_ms,
}
_QUESTION: dict[str, Any] = {
    "question_text": SetQuestion.question_text,
    "options": SetQuestion.options,
    "correct_answer": SetQuestion.correct_answer,
    "points": SetQuestion.points,
    "time_limit_ms": SetQuestion.time_limit_ms,
    "explanation": SetQuestion.explanation,
}
_SHOWN = case(
    (QuestionSet.owner_id == _PLAYER, json_object(**_QUESTION)), else_=json_object(**_PUBLIC_QUESTION)
)
_QUESTIONS = (
    select(func.json_agg(aggregate_order_by(_SHOWN, SetQuestion.order_index)))
    .where(_OF_SET)
    .correlate(QuestionSet)
    .scalar_subquery()
)
_IS_VISIBLE = or_(QuestionSet.owner_id == _PLAYER, QuestionSet.is_public)
_ID = bindparam("set_id", type_=Uuid())
_READ = DriverStatement(
    select(
        json_item(**_SUMMARY, questions=func.coalesce(_QUESTIONS, literal_column("'[]'::json"))),
    ).where(QuestionSet.id == _ID, _IS_VISIBLE)
)

# A question a line, for who compares two versions.
_LINES = (
    select(
        func.string_agg(
            cast(json_object(**_QUESTION), Text),
            aggregate_order_by(literal_column(r"E',\n'"), SetQuestion.order_index),
        )
    )
    .where(_OF_SET)
    .correlate(QuestionSet)
    .scalar_subquery()
)
_HEAD = cast(
    json_object(
        format=literal_column(f"'{FORMAT}'"),
        title=QuestionSet.title,
        is_public=QuestionSet.is_public,
        allow_copy=QuestionSet.allow_copy,
    ),
    Text,
)
_EXPORT = DriverStatement(
    select(QuestionSet.title, QuestionSet.owner_id, _HEAD.label("head"), _LINES.label("lines")).where(
        QuestionSet.id == _ID, _IS_VISIBLE
    )
)
_ROWS = (
    select(
        SetQuestion.question_text,
        SetQuestion.options,
        SetQuestion.correct_answer,
        SetQuestion.points,
        SetQuestion.time_limit_ms,
        SetQuestion.explanation,
    )
    .join(QuestionSet, _OF_SET)
    .where(QuestionSet.id == _ID, QuestionSet.owner_id == _PLAYER)
    .order_by(SetQuestion.order_index)
)


async def find_visible(database: Database, set_id: UUID, *, player_id: UUID) -> str | None:
    """The JSON of `QuestionSet` as this player may see it; None when they may not."""
    record = await database.fetch_record(_READ, set_id=set_id, player_id=player_id)
    return None if record is None else str(record["item"])


async def find_export(database: Database, set_id: UUID, *, player_id: UUID) -> "asyncpg.Record | None":
    """The `title` and `owner_id` of a set that the player may see, and the JSON of its `head` and `lines`."""
    return await database.fetch_record(_EXPORT, set_id=set_id, player_id=player_id)


async def find_questions(database: Database, set_id: UUID, *, player_id: UUID) -> Sequence[Row[Any]]:
    """The questions of a player's own set."""
    return await database.fetch_all(_ROWS, {"set_id": set_id, "player_id": player_id})


async def find_page(
    database: Database, wanted: SetFilter, *, after: SetPosition | None, limit: int
) -> "asyncpg.Record":
    """Sets, newest first: a page of the JSON of `QuestionSetSummary`."""
    statement = _prepare_page(
        is_own=wanted.owner_id is not None, searches=wanted.search is not None, is_first=after is None
    )
    parameters: dict[str, Any] = {"limit": limit}
    if wanted.owner_id is not None:
        parameters["player_id"] = wanted.owner_id
    if wanted.search is not None:
        parameters["pattern"] = containing(wanted.search)
    if after is not None:
        parameters |= {"after_time": after.created_at, "after_id": after.id}
    return await database.fetch_page(statement, **parameters)


@cache
def _prepare_page(*, is_own: bool, searches: bool, is_first: bool) -> DriverStatement:
    statement = select(json_item(**_SUMMARY), QuestionSet.created_at, QuestionSet.id)
    statement = statement.where(QuestionSet.owner_id == _PLAYER if is_own else QuestionSet.is_public)
    if searches:
        statement = statement.where(QuestionSet.title.ilike(bindparam("pattern", type_=Text()), escape="\\"))
    if not is_first:
        last = (
            bindparam("after_time", type_=QuestionSet.created_at.type),
            bindparam("after_id", type_=Uuid()),
        )
        statement = statement.where(tuple_(QuestionSet.created_at, QuestionSet.id) < tuple_(*last))
    return prepare_page(statement.order_by(QuestionSet.created_at.desc(), QuestionSet.id.desc()))


async def lock_set(db: AsyncSession, set_id: UUID) -> QuestionSet | None:
    """The set, locked until the transaction ends."""
    statement = select(QuestionSet).where(QuestionSet.id == set_id).with_for_update(key_share=True)
    return (await db.execute(statement)).scalar_one_or_none()


async def lock_owner(db: AsyncSession, player_id: UUID) -> None:
    """Let the player's other sets wait until the transaction ends."""
    await db.execute(select(User.id).where(User.id == player_id).with_for_update(key_share=True))


async def insert_set(db: AsyncSession, new: NewSet) -> bool:
    """Store a set of a locked owner, without questions. False when they have as many as a player may have."""
    count = select(func.count()).where(QuestionSet.owner_id == new.owner_id).scalar_subquery()
    values: AnySelect = select(
        bindparam("id", new.id, Uuid()),
        bindparam("owner_id", new.owner_id, Uuid()),
        bindparam("title", new.title, Text()),
        bindparam("is_public", new.is_public),
        bindparam("allow_copy", new.allow_copy),
    ).where(count < MAXIMUM_SETS)
    columns = ("id", "owner_id", "title", "is_public", "allow_copy")
    statement = insert(QuestionSet).from_select(columns, values, include_defaults=False)
    return (await db.execute(statement.returning(QuestionSet.id))).one_or_none() is not None


_INSERT_QUESTIONS = text(
    """
    INSERT INTO set_questions (question_set_id, order_index, question_text, options, correct_answer, points,
        time_limit_ms, explanation)
    SELECT :set_id, number - 1, item->>'question_text', item->'options', item->>'correct_answer',
        (item->>'points')::int, (item->>'time_limit_ms')::int, item->>'explanation'
    FROM jsonb_array_elements(CAST(:questions AS jsonb)) WITH ORDINALITY AS questions (item, number)
    """
).bindparams(_ID, bindparam("questions", type_=Text()))


async def insert_questions(db: AsyncSession, set_id: UUID, questions: str) -> None:
    """Store the questions of a set that has none, from a JSON array."""
    await db.execute(_INSERT_QUESTIONS, {"set_id": set_id, "questions": questions})


async def copy_questions(db: AsyncSession, source_id: UUID, *, set_id: UUID) -> None:
    """Copy the questions of a set into one that has none."""
    columns = [column for column in SetQuestion.__table__.columns if column.name != "question_set_id"]
    source: AnySelect = select(bindparam("set_id", set_id, Uuid()), *columns).where(
        SetQuestion.question_set_id == source_id
    )
    names = ["question_set_id", *(column.name for column in columns)]
    await db.execute(insert(SetQuestion).from_select(names, source, include_defaults=False))


async def replace_set(db: AsyncSession, new: NewSet) -> None:
    """Give a locked set this title and these rules, and delete its questions."""
    changes = {
        "title": new.title,
        "is_public": new.is_public,
        "allow_copy": new.allow_copy,
        "updated_at": func.clock_timestamp(),
    }
    await db.execute(update(QuestionSet).where(QuestionSet.id == new.id).values(changes))
    await db.execute(delete(SetQuestion).where(SetQuestion.question_set_id == new.id))


async def delete_set(db: AsyncSession, set_id: UUID) -> None:
    """Delete a set; games that were started from it keep their copies."""
    await db.execute(delete(QuestionSet).where(QuestionSet.id == set_id))


async def can_use(db: AsyncSession, set_id: UUID, *, player_id: UUID) -> bool:
    """Whether the player may start games from the set: it is public or their own."""
    usable = or_(QuestionSet.is_public, QuestionSet.owner_id == player_id)
    return bool((await db.execute(select(exists().where(QuestionSet.id == set_id, usable)))).scalar_one())
