"""`PUT /v1/videos/by-path` and `POST /v1/videos/batch`."""

from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from dbcommon.session import DatabaseDep, SessionDep
from videovault.dependencies import EditorDep, require_persistence
from videovault.recording import service
from videovault.recording.schemas import BatchResult, StreamResult, VideoBatch
from videovault.videos.errors import PathTooLong
from videovault.videos.representation import ETAG_HEADER, represent
from videovault.videos.routes import LOCATION_HEADER, REFUSALS
from videovault.videos.schemas import NewVideo, VideoBody
from webcommon.api.ndjson import (
    MEDIA_TYPE,
    NO_LIMIT,
    NdjsonRoute,
    RequestTimeout,
    read_lines,
)
from webcommon.api.problems import InvalidRequest, problem_responses

LARGEST_BATCH = 16 * 1024 * 1024
"""Bytes of a batch's body."""

LONGEST_LINE = 1024 * 1024
"""Bytes of a line of a stream, as of any other body of one video."""

SILENT_SECONDS = 60
"""A stream that sends nothing for so long has ended."""

router = APIRouter(
    prefix="/v1/videos", tags=["videos"], dependencies=[Depends(require_persistence)], responses=REFUSALS
)
streams = APIRouter(
    prefix="/v1/videos",
    dependencies=[Depends(require_persistence)],
    route_class=NdjsonRoute,
    include_in_schema=False,
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


_LINES: dict[str, Any] = {
    "schema": {"type": "string", "description": "A body of `POST /v1/videos` in each line."},
    "examples": {
        "lines": {
            "value": '{"file_path": "/films/a.mp4", "file_name": "a.mp4", "file_size": 1, "mime_type": "video/mp4"}\n'
        }
    },
}


@router.post(
    "/batch",
    operation_id="record_batch",
    summary="Record many videos by their paths",
    response_model=BatchResult | StreamResult,
    responses=problem_responses(RequestTimeout),
    max_body_size=LARGEST_BATCH,
    openapi_extra={"requestBody": {"content": {MEDIA_TYPE: _LINES}}},
)
async def record_batch(body: VideoBatch, caller: EditorDep, db: SessionDep) -> BatchResult:
    """Record up to 5,000 videos, or change those with their paths, each with its own values, in one transaction.

    As `application/x-ndjson`, a video in each line, any number: they are committed 5,000 at a time, and when the stream breaks
    off, what is committed stays.
    """
    return await service.record_batch(db, body.videos, caller=caller)


@streams.post("/batch", max_body_size=NO_LIMIT)
async def record_stream(request: Request, caller: EditorDep, database: DatabaseDep) -> StreamResult:
    """Record the videos of a stream."""
    lines = read_lines(request, longest=LONGEST_LINE, silent_seconds=SILENT_SECONDS)
    return await service.record_stream(database, lines, caller=caller)
