"""`PATCH /v1/videos/{id}`, and what records, moves and deletes videos by their path or by the thousand."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response

from dbcommon.session import SessionDep
from videovault.dependencies import EditorDep, require_persistence
from videovault.edits import service
from videovault.edits.errors import VideoChanged
from videovault.edits.schemas import (
    BatchResult,
    BulkResult,
    Moves,
    NewPath,
    VideoBatch,
    VideoIds,
    VideoPatch,
)
from videovault.errors import VideoNotFound
from videovault.videos.errors import PathTaken, PathTooLong
from videovault.videos.representation import ETAG_HEADER, represent
from videovault.videos.routes import LOCATION_HEADER, REFUSALS
from videovault.videos.schemas import NewVideo, VideoBody
from webcommon.api.problems import InvalidRequest, problem_responses

LARGEST_BATCH = 16 * 1024 * 1024
"""Bytes of a batch's body."""

router = APIRouter(
    prefix="/v1/videos", tags=["videos"], dependencies=[Depends(require_persistence)], responses=REFUSALS
)


@router.put(
    "/by-path",
    operation_id="put_video",
    summary="Record a video, or change the one with this path",
    response_model=VideoBody,
    responses={
        200: {"headers": ETAG_HEADER},
        201: {"headers": ETAG_HEADER | LOCATION_HEADER, "model": VideoBody, "description": "It is new."},
        **problem_responses(InvalidRequest, PathTooLong),
    },
)
async def put_video(body: NewVideo, request: Request, caller: EditorDep, db: SessionDep) -> Response:
    """Record a file's data under its path. Of a video that is there, what is left out stays; tags that are given replace
    its tags."""
    video, is_new = await service.put_video(db, body, caller=caller)
    location = request.app.url_path_for("read_video", video_id=video.id)
    return represent(video, status=201 if is_new else 200, headers={"Location": location} if is_new else None)


@router.post(
    "/batch",
    operation_id="record_batch",
    summary="Record many videos by their paths",
    max_body_size=LARGEST_BATCH,
)
async def record_batch(body: VideoBatch, caller: EditorDep, db: SessionDep) -> BatchResult:
    """Record up to 5,000 videos, or change those with their paths, each with its own values, in one transaction."""
    return await service.record_batch(db, body.videos, caller=caller)


@router.post("/bulk-delete", operation_id="bulk_delete_videos", summary="Delete many videos' records")
async def bulk_delete_videos(body: VideoIds, caller: EditorDep, db: SessionDep) -> BulkResult:
    """Delete records with their tags and their watch history, which can be undone. The files stay."""
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
