"""`PUT /v1/videos/{id}/progress`, `/v1/history`, `GET /v1/continue-watching`."""

from uuid import UUID

from fastapi import APIRouter, Depends, Response

from dbcommon.session import DatabaseDep, SessionDep
from videovault.changes.schemas import BulkResult
from videovault.dependencies import ReaderDep, require_persistence
from videovault.errors import NoPersistence, VideoNotFound
from videovault.history import service
from videovault.history.schemas import MarkRequest, Progress, ProgressRequest, ViewingBody
from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.api.problems import Forbidden, ServiceUnavailable, Unauthorized, problem_responses
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep

router = APIRouter(
    prefix="/v1",
    tags=["watching"],
    dependencies=[Depends(require_persistence)],
    responses=problem_responses(Unauthorized, Forbidden, NoPersistence, ServiceUnavailable),
)


@router.put(
    "/videos/{video_id}/progress",
    operation_id="put_progress",
    summary="Say how far you are in a video",
    responses=problem_responses(VideoNotFound),
)
async def put_progress(video_id: UUID, body: ProgressRequest, caller: ReaderDep, db: SessionDep) -> Progress:
    """A heartbeat of a player. Within a viewing the latest `watched_at` holds; a repeated position moves nothing."""
    return await service.put_progress(db, video_id, body, caller=caller)


@router.get(
    "/history",
    operation_id="list_history",
    summary="List what you watched",
    response_model=Page[ViewingBody],
)
@fast_path
async def list_history(
    caller: ReaderDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    cursor: CursorParameter = None,
    limit: LimitParameter = DEFAULT_LIMIT,
) -> Response:
    """Your viewings, newest first, but for those of less than 5 seconds."""
    return await service.list_history(database, caller=caller, cursors=cursors, cursor=cursor, limit=limit)


@router.delete("/history", operation_id="delete_history", summary="Delete what you watched", status_code=204)
async def delete_history(caller: ReaderDep, db: SessionDep) -> None:
    """Delete all your viewings, for good. Players that are at one of them are not heard any more until they begin another."""
    await service.delete_history(db, caller=caller)


@router.post("/history/mark", operation_id="mark_videos", summary="Mark videos as watched, or as not watched")
async def mark_videos(body: MarkRequest, caller: ReaderDep, db: SessionDep) -> BulkResult:
    """At once for up to 5,000 videos. You can undo it."""
    return await service.mark(db, body, caller=caller)


@router.get(
    "/continue-watching",
    operation_id="list_unfinished",
    summary="List what you can go on with",
    response_model=Page[ViewingBody],
)
@fast_path
async def list_unfinished(
    caller: ReaderDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    cursor: CursorParameter = None,
    limit: LimitParameter = DEFAULT_LIMIT,
) -> Response:
    """Videos that you began and did not watch to their end, each with its youngest viewing, newest first."""
    return await service.list_unfinished(database, caller=caller, cursors=cursors, cursor=cursor, limit=limit)
