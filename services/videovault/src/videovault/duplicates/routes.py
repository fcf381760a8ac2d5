"""`/v1/duplicates`."""

from fastapi import APIRouter, Depends, Response

from dbcommon.session import DatabaseDep, SessionDep
from videovault.dependencies import EditorDep, ReaderDep, SettingsDep, require_persistence
from videovault.duplicates import service
from videovault.duplicates.errors import NotIdentical
from videovault.duplicates.schemas import Group, MergeRequest, MergeResult, ProofRequest, ProofsBegun
from videovault.errors import NoPersistence, VideoNotFound
from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.api.problems import Forbidden, ServiceUnavailable, Unauthorized, problem_responses
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep

router = APIRouter(
    prefix="/v1/duplicates",
    tags=["duplicates"],
    dependencies=[Depends(require_persistence)],
    responses=problem_responses(Unauthorized, Forbidden, NoPersistence, ServiceUnavailable),
)


@router.get("", operation_id="list_duplicates", summary="List duplicates", response_model=Page[Group])
@fast_path
async def list_duplicates(
    caller: ReaderDep,  # noqa: ARG001 - who may read
    database: DatabaseDep,
    cursors: CursorsDep,
    cursor: CursorParameter = None,
    limit: LimitParameter = DEFAULT_LIMIT,
) -> Response:
    """Videos whose files seem to have one content, in groups, by their identity. Empty files are in none."""
    return await service.list_duplicates(database, cursors=cursors, cursor=cursor, limit=limit)


@router.post(
    "/prove",
    operation_id="prove_duplicates",
    summary="Have whole files read",
    status_code=202,
)
async def prove_duplicates(body: ProofRequest, caller: EditorDep, db: SessionDep) -> ProofsBegun:  # noqa: ARG001 - who may
    """Have the files of videos read from beginning to end, one after another; the list says what they hold."""
    return await service.request_proofs(db, body.video_ids)


@router.post(
    "/merge",
    operation_id="merge_duplicates",
    summary="Merge duplicates",
    responses=problem_responses(VideoNotFound, NotIdentical),
)
async def merge_duplicates(
    body: MergeRequest, caller: EditorDep, database: DatabaseDep, settings: SettingsDep
) -> MergeResult:
    """Give a video the tags, the history, the favourites and ratings of others whose files are proved to have its content, and
    delete the others' records, which can be undone. No file is deleted."""
    return await service.merge(database, body, settings=settings, caller=caller)
