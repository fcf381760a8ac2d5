"""`PATCH /v1/videos/{id}`, and what moves and deletes videos, one or by the thousand."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Response

from dbcommon.session import SessionDep
from videovault.changes.schemas import BulkResult
from videovault.dependencies import EditorDep, require_persistence
from videovault.edits import service
from videovault.edits.errors import VideoChanged
from videovault.edits.schemas import (
    Moves,
    NewPath,
    VideoIds,
    VideoPatch,
)
from videovault.errors import VideoNotFound
from videovault.videos.errors import PathTaken, PathTooLong
from videovault.videos.representation import ETAG_HEADER, represent
from videovault.videos.routes import REFUSALS
from videovault.videos.schemas import VideoBody
from webcommon.api.problems import InvalidRequest, problem_responses

router = APIRouter(
    prefix="/v1/videos", tags=["videos"], dependencies=[Depends(require_persistence)], responses=REFUSALS
)


@router.post("/bulk-delete", operation_id="bulk_delete_videos", summary="Delete many videos' records")
async def bulk_delete_videos(body: VideoIds, caller: EditorDep, db: SessionDep) -> BulkResult:
    """Delete records with their tags, which can be undone. The files stay."""
    return await service.bulk_delete(db, body.video_ids, caller=caller)


@router.post(
    "/bulk-move",
    operation_id="bulk_move_videos",
    summary="Change many videos' paths",
    responses=problem_responses(PathTaken, InvalidRequest, PathTooLong),
)
async def bulk_move_videos(body: Moves, caller: EditorDep, db: SessionDep) -> BulkResult:
    """Change the records' paths, all or none; which can be undone. No file is moved."""
    return await service.bulk_move(db, body.moves, caller=caller)


@router.patch(
    "/{video_id}",
    operation_id="patch_video",
    summary="Change fields of a video",
    response_model=VideoBody,
    responses={200: {"headers": ETAG_HEADER}, **problem_responses(VideoNotFound, VideoChanged)},
)
async def patch_video(
    video_id: UUID,
    body: VideoPatch,
    caller: EditorDep,
    db: SessionDep,
    if_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Change what is given. With `If-Match`: only while the video has that `ETag`."""
    video = await service.patch_video(db, video_id, body, caller=caller, if_match=if_match)
    return represent(video)


@router.post(
    "/{video_id}/move",
    operation_id="move_video",
    summary="Change a video's path",
    response_model=VideoBody,
    responses={
        200: {"headers": ETAG_HEADER},
        **problem_responses(VideoNotFound, PathTaken, InvalidRequest, PathTooLong),
    },
)
async def move_video(video_id: UUID, body: NewPath, caller: EditorDep, db: SessionDep) -> Response:
    """Change the record's path; tags and history stay. No file is moved."""
    return represent(await service.move_video(db, video_id, body.file_path, caller=caller))
