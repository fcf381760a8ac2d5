"""`/v1/videos`."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response

from dbcommon.session import DatabaseDep, SessionDep
from videovault.changes.schemas import OperationBody
from videovault.dependencies import EditorDep, read_caller, require_persistence
from videovault.errors import NoPersistence, VideoNotFound
from videovault.videos import service
from videovault.videos.errors import PathTaken, PathTooLong
from videovault.videos.representation import ETAG_HEADER, represent
from videovault.videos.schemas import NewVideo, VideoBody
from webcommon.api.problems import (
    Forbidden,
    InvalidRequest,
    ServiceUnavailable,
    Unauthorized,
    problem_responses,
)

REFUSALS = problem_responses(Unauthorized, Forbidden, InvalidRequest, NoPersistence, ServiceUnavailable)
READS = [Depends(read_caller)]

LOCATION_HEADER: dict[str, Any] = {
    "Location": {"description": "The path of the new video.", "schema": {"type": "string"}}
}

router = APIRouter(
    prefix="/v1/videos", tags=["videos"], dependencies=[Depends(require_persistence)], responses=REFUSALS
)


@router.post(
    "",
    operation_id="create_video",
    summary="Record a video",
    status_code=201,
    response_model=VideoBody,
    responses={
        201: {"headers": ETAG_HEADER | LOCATION_HEADER},
        **problem_responses(PathTaken, InvalidRequest, PathTooLong),
    },
)
async def create_video(body: NewVideo, request: Request, caller: EditorDep, db: SessionDep) -> Response:
    """Record a file's data. The file is not opened, and need not exist."""
    video = await service.create_video(db, body, caller=caller)
    location = request.app.url_path_for("read_video", video_id=video.id)
    return represent(video, status=201, headers={"Location": location})


@router.get(
    "/{video_id}",
    operation_id="read_video",
    summary="Read a video",
    response_model=VideoBody,
    dependencies=READS,
    responses={
        200: {"headers": ETAG_HEADER},
        304: {"description": "The caller's copy is current.", "headers": ETAG_HEADER},
        **problem_responses(VideoNotFound),
    },
)
async def read_video(
    video_id: UUID, database: DatabaseDep, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """One video with its tags; 304 when `If-None-Match` names its `ETag`."""
    video = await service.read_video(database, video_id)
    return represent(video, if_none_match=if_none_match)


@router.delete(
    "/{video_id}",
    operation_id="delete_video",
    summary="Delete a video's record",
    responses=problem_responses(VideoNotFound),
)
async def delete_video(video_id: UUID, caller: EditorDep, db: SessionDep) -> OperationBody:
    """Delete the record with its tags, which can be undone. The file stays."""
    return await service.delete_video(db, video_id, caller=caller)
