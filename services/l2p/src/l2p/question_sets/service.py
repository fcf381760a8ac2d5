"""The rules of question sets: who sees them, how many a player has, what an import stores."""

import asyncio
from pathlib import PurePosixPath, PureWindowsPath
from typing import Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import Response
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.models import new_id
from l2p.models import QuestionSet as LockedSet
from l2p.names import clean_name
from l2p.question_sets import repository
from l2p.question_sets.csv_format import write_csv
from l2p.question_sets.errors import CopyNotAllowed, NotTheOwner, QuestionSetNotFound, TooManyQuestionSets
from l2p.question_sets.limits import LONGEST_TITLE
from l2p.question_sets.reading import ReadSet
from l2p.question_sets.repository import NewSet, SetFilter, SetPosition
from l2p.question_sets.schemas import ImportResult, QuestionRequest, QuestionSetRequest, RowWarning
from webcommon.api.paging import CursorCodec

MEDIA_TYPE = "application/json"

Scope = Literal["own", "public"]
ExportFormat = Literal["json", "csv"]

_QUESTIONS = TypeAdapter(list[QuestionRequest])


def _new_set(request: QuestionSetRequest, *, set_id: UUID, owner_id: UUID) -> NewSet:
    return NewSet(
        id=set_id,
        owner_id=owner_id,
        title=request.title,
        is_public=request.is_public,
        allow_copy=request.allow_copy,
    )


def _to_json(questions: list[QuestionRequest]) -> str:
    return _QUESTIONS.dump_json(questions).decode()


async def create_set(db: AsyncSession, request: QuestionSetRequest, *, player_id: UUID) -> UUID:
    """Store a set of the player; gives its id. Raises `TooManyQuestionSets`."""
    await repository.lock_owner(db, player_id)
    new = _new_set(request, set_id=new_id(), owner_id=player_id)
    await _insert(db, new)
    await repository.insert_questions(db, new.id, _to_json(request.questions))
    return new.id


async def _insert(db: AsyncSession, new: NewSet) -> None:
    if not await repository.insert_set(db, new):
        raise TooManyQuestionSets


async def list_sets(
    database: Database,
    *,
    player_id: UUID,
    scope: Scope,
    search: str | None,
    cursors: CursorCodec,
    cursor: str | None,
    limit: int,
) -> Response:
    """A `Page[QuestionSetSummary]` of the player's own sets or of all public ones, newest first."""
    owner_id = player_id if scope == "own" else None
    wanted = SetFilter(owner_id=owner_id, search=(search or "").strip() or None)
    position = cursors.decode(wanted.scope, cursor)
    after = None if position is None else SetPosition(created_at=position[0], id=position[1])
    page = await repository.find_page(database, wanted, after=after, limit=limit)
    return cursors.json_page(page, scope=wanted.scope)


async def read_set(database: Database, set_id: UUID, *, player_id: UUID) -> Response:
    """The JSON of `QuestionSet`; with the right answers and explanations for the owner only. Raises `QuestionSetNotFound`."""
    found = await repository.find_visible(database, set_id, player_id=player_id)
    if found is None:
        raise QuestionSetNotFound
    return Response(found, media_type=MEDIA_TYPE)


async def replace_set(
    database: Database, set_id: UUID, request: QuestionSetRequest, *, player_id: UUID
) -> Response:
    """Put another set in its place; gives it as `read_set`. Raises `QuestionSetNotFound`, `NotTheOwner`."""
    async with database.transaction() as db:
        await _lock_own(db, set_id, player_id=player_id)
        await repository.replace_set(db, _new_set(request, set_id=set_id, owner_id=player_id))
        await repository.insert_questions(db, set_id, _to_json(request.questions))
    return await read_set(database, set_id, player_id=player_id)


async def delete_set(db: AsyncSession, set_id: UUID, *, player_id: UUID) -> None:
    """Delete a set. Games that were started from it stay as they are. Raises `QuestionSetNotFound`, `NotTheOwner`."""
    await _lock_own(db, set_id, player_id=player_id)
    await repository.delete_set(db, set_id)


async def _lock_own(db: AsyncSession, set_id: UUID, *, player_id: UUID) -> None:
    found = await _lock_visible(db, set_id, player_id=player_id)
    if found.owner_id != player_id:
        raise NotTheOwner


async def _lock_visible(db: AsyncSession, set_id: UUID, *, player_id: UUID) -> LockedSet:
    found = await repository.lock_set(db, set_id)
    if found is None or not (found.is_public or found.owner_id == player_id):
        raise QuestionSetNotFound
    return found


async def copy_set(db: AsyncSession, set_id: UUID, *, player_id: UUID) -> UUID:
    """Copy a set with its right answers to the player, private at first; gives the copy's id.

    Raises `QuestionSetNotFound`, `CopyNotAllowed`, `TooManyQuestionSets`.
    """
    await repository.lock_owner(db, player_id)
    source = await _lock_visible(db, set_id, player_id=player_id)
    if source.owner_id != player_id and not source.allow_copy:
        raise CopyNotAllowed
    copy = NewSet(id=new_id(), owner_id=player_id, title=source.title, is_public=False, allow_copy=False)
    await _insert(db, copy)
    await repository.copy_questions(db, set_id, set_id=copy.id)
    return copy.id


async def import_set(
    db: AsyncSession, found: ReadSet, *, player_id: UUID, title: str | None, file_name: str | None
) -> ImportResult:
    """Store what was read from a file. Raises `TooManyQuestionSets`."""
    new = NewSet(
        id=new_id(),
        owner_id=player_id,
        title=title or found.title or _title_of(file_name or ""),
        is_public=found.is_public,
        allow_copy=found.allow_copy,
    )
    await repository.lock_owner(db, player_id)
    warnings = [RowWarning(row=note.row, detail=str(note)) for note in found.warnings]
    await _insert(db, new)
    await repository.insert_questions(db, new.id, found.questions)
    return ImportResult(id=new.id, imported=found.count, skipped=found.skipped, warnings=warnings)


def _title_of(file_name: str) -> str:
    """The name of a file without folders and ending, as a title."""
    stem = PurePosixPath(PureWindowsPath(file_name).name).stem
    readable = stem.replace("\x00", "").encode(errors="ignore").decode()
    return clean_name(readable)[:LONGEST_TITLE].strip() or "Imported questions"


async def export_set(database: Database, set_id: UUID, *, player_id: UUID, form: ExportFormat) -> Response:
    """A set as a file, for its owner. Raises `QuestionSetNotFound`, `NotTheOwner`."""
    found = await repository.find_export(database, set_id, player_id=player_id)
    if found is None:
        raise QuestionSetNotFound
    if found["owner_id"] != player_id:
        raise NotTheOwner
    if form == "csv":
        questions = await repository.find_questions(database, set_id, player_id=player_id)
        content, media_type = await asyncio.to_thread(write_csv, questions), "text/csv; charset=utf-8"
    else:
        head = found["head"].removesuffix("}")
        content, media_type = f'{head}, "questions" : [\n{found["lines"] or ""}\n]}}\n', MEDIA_TYPE
    name = quote(f"{found['title']}.{form}", safe="")
    disposition = f"attachment; filename=\"questions.{form}\"; filename*=UTF-8''{name}"
    return Response(content, media_type=media_type, headers={"Content-Disposition": disposition})
