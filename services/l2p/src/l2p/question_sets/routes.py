"""`/v1/question-sets`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Form, Query, Response, UploadFile

from dbcommon.session import DatabaseDep, SessionDep
from l2p.dependencies import PlayerDep, ProvisionerDep
from l2p.guest_access.errors import GuestNotAllowed
from l2p.question_sets import service
from l2p.question_sets.dependencies import FileReaderDep
from l2p.question_sets.errors import (
    CopyNotAllowed,
    FileTooLarge,
    FileUnreadable,
    ImportTooSlow,
    NotTheOwner,
    QuestionSetNotFound,
    TooManyQuestionSets,
)
from l2p.question_sets.limits import LARGEST_BODY, LARGEST_FILE
from l2p.question_sets.reading import OnError
from l2p.question_sets.schemas import (
    ExportedSet,
    ImportResult,
    QuestionSet,
    QuestionSetRequest,
    QuestionSetSummary,
    Title,
)
from l2p.question_sets.service import ExportFormat, Scope
from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.api.problems import Unauthorized, problem_responses
from webcommon.api.schemas import Text
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep

router = APIRouter(
    prefix="/v1/question-sets",
    tags=["question sets"],
    responses=problem_responses(Unauthorized, GuestNotAllowed),
)

SearchParameter = Annotated[
    Text | None, Query(max_length=100, description="Part of the title, in upper or lower case.")
]


@router.post(
    "",
    operation_id="create_question_set",
    summary="Create a question set",
    status_code=201,
    response_model=QuestionSet,
    responses=problem_responses(TooManyQuestionSets),
    max_body_size=LARGEST_BODY,
)
async def create_question_set(
    body: QuestionSetRequest, player: PlayerDep, provisioner: ProvisionerDep, database: DatabaseDep
) -> Response:
    """Store a set of questions. It is yours: others see a public one without its right answers."""
    set_id = await provisioner.write(player, lambda db: service.create_set(db, body, player_id=player.id))
    return _created(await service.read_set(database, set_id, player_id=player.id), set_id)


def _created(response: Response, set_id: UUID) -> Response:
    response.status_code = 201
    response.headers["Location"] = f"/v1/question-sets/{set_id}"
    return response


@router.get(
    "",
    operation_id="list_question_sets",
    summary="List question sets",
    response_model=Page[QuestionSetSummary],
)
@fast_path
async def list_question_sets(
    player: PlayerDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    scope: Annotated[Scope, Query(description="Your own, or all public ones.")] = "own",
    q: SearchParameter = None,
    limit: LimitParameter = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Response:
    """Sets without their questions, newest first."""
    return await service.list_sets(
        database, player_id=player.id, scope=scope, search=q, cursors=cursors, cursor=cursor, limit=limit
    )


@router.post(
    "/import",
    operation_id="import_question_set",
    summary="Import a question set",
    status_code=201,
    responses=problem_responses(TooManyQuestionSets, FileUnreadable, FileTooLarge, ImportTooSlow),
    max_body_size=LARGEST_BODY,
)
async def import_question_set(
    file: Annotated[
        UploadFile, File(description="Our JSON or CSV, or the JSON of Open Trivia DB; told apart by content.")
    ],
    response: Response,
    player: PlayerDep,
    provisioner: ProvisionerDep,
    reader: FileReaderDep,
    title: Annotated[Title | None, Form(description="Else the file's own, else its name.")] = None,
    on_error: Annotated[
        OnError, Query(description="Whether a row at fault refuses the file, or is left out.")
    ] = "fail",
) -> ImportResult:
    """Make a set of a file. When a row is at fault nothing is stored, unless `on_error=skip`."""
    if (file.size or 0) > LARGEST_FILE:
        raise FileTooLarge
    found = await reader.read(await file.read(), on_error=on_error)
    result = await provisioner.write(
        player,
        lambda db: service.import_set(db, found, player_id=player.id, title=title, file_name=file.filename),
    )
    response.headers["Location"] = f"/v1/question-sets/{result.id}"
    return result


@router.get(
    "/{set_id:uuid}",
    operation_id="read_question_set",
    summary="Read a question set",
    response_model=QuestionSet,
    responses=problem_responses(QuestionSetNotFound),
)
@fast_path
async def read_question_set(set_id: UUID, player: PlayerDep, database: DatabaseDep) -> Response:
    """A set of your own, or a public one without `correct_answer` and `explanation`."""
    return await service.read_set(database, set_id, player_id=player.id)


@router.put(
    "/{set_id:uuid}",
    operation_id="replace_question_set",
    summary="Replace a question set",
    response_model=QuestionSet,
    responses=problem_responses(QuestionSetNotFound, NotTheOwner),
    max_body_size=LARGEST_BODY,
)
async def replace_question_set(
    set_id: UUID, body: QuestionSetRequest, player: PlayerDep, database: DatabaseDep
) -> Response:
    """Put another set in its place; the owner only. Games that were started from it stay as they are."""
    return await service.replace_set(database, set_id, body, player_id=player.id)


@router.delete(
    "/{set_id:uuid}",
    operation_id="delete_question_set",
    summary="Delete a question set",
    status_code=204,
    responses=problem_responses(QuestionSetNotFound, NotTheOwner),
)
async def delete_question_set(set_id: UUID, player: PlayerDep, db: SessionDep) -> None:
    """Delete a set; the owner only. Games that were started from it stay as they are."""
    await service.delete_set(db, set_id, player_id=player.id)


@router.post(
    "/{set_id:uuid}/copy",
    operation_id="copy_question_set",
    summary="Copy a question set",
    status_code=201,
    response_model=QuestionSet,
    responses=problem_responses(QuestionSetNotFound, CopyNotAllowed, TooManyQuestionSets),
)
async def copy_question_set(
    set_id: UUID, player: PlayerDep, provisioner: ProvisionerDep, database: DatabaseDep
) -> Response:
    """Copy a set with its right answers: your own, or a public one whose owner allows it. The copy is private at first."""
    copy_id = await provisioner.write(player, lambda db: service.copy_set(db, set_id, player_id=player.id))
    return _created(await service.read_set(database, copy_id, player_id=player.id), copy_id)


@router.get(
    "/{set_id:uuid}/export",
    operation_id="export_question_set",
    summary="Export a question set",
    response_model=ExportedSet,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        **problem_responses(QuestionSetNotFound, NotTheOwner),
    },
)
@fast_path
async def export_question_set(
    set_id: UUID,
    player: PlayerDep,
    database: DatabaseDep,
    format: Annotated[ExportFormat, Query()] = "json",  # noqa: A002 - the name in the query
) -> Response:
    """A set with its right answers as a file, which an import takes; the owner only."""
    return await service.export_set(database, set_id, player_id=player.id, form=format)
