"""`GET /v1/videos/{id}/changes`."""

from uuid import UUID

from fastapi import APIRouter, Depends, Response

from dbcommon.session import DatabaseDep
from videovault.changes import service
from videovault.changes.schemas import ChangeBody
from videovault.dependencies import ReaderDep, require_persistence
from videovault.errors import NoPersistence, VideoNotFound
from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.api.problems import Forbidden, ServiceUnavailable, Unauthorized, problem_responses
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep

router = APIRouter(
    prefix="/v1/videos",
    tags=["changes"],
    dependencies=[Depends(require_persistence)],
    responses=problem_responses(Unauthorized, Forbidden, NoPersistence, ServiceUnavailable),
)


@router.get(
    "/{video_id}/changes",
    operation_id="list_changes",
    summary="List what was changed of a video",
    response_model=Page[ChangeBody],
    responses=problem_responses(VideoNotFound),
)
@fast_path
async def list_changes(
    video_id: UUID,
    caller: ReaderDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    cursor: CursorParameter = None,
    limit: LimitParameter = DEFAULT_LIMIT,
) -> Response:
    """The changes of a video, its tags, and your favourite and rating of it, newest first, also after it was deleted. Values that were overwritten stay for 30
    days."""
    return await service.list_changes(
        database, video_id, caller=caller, cursors=cursors, cursor=cursor, limit=limit
    )
