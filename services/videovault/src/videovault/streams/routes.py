"""`/v1/videos/{video_id}/stream`."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from dbcommon.session import DatabaseDep
from videovault.dependencies import SettingsDep, require_persistence
from videovault.errors import NoPersistence, VideoNotFound
from videovault.playback_urls.dependencies import ViewerDep
from videovault.streams import service
from videovault.streams.conditions import Conditions
from videovault.streams.dependencies import OpenStreamsDep
from videovault.streams.errors import FileNotFound, PreconditionFailed, RangeNotSatisfiable
from webcommon.api.problems import Forbidden, ServiceUnavailable, Unauthorized, problem_responses

router = APIRouter(
    prefix="/v1/videos",
    tags=["playback"],
    dependencies=[Depends(require_persistence)],
    responses=problem_responses(Unauthorized, Forbidden, NoPersistence, ServiceUnavailable),
)

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FILE = {"video/*": _BINARY, "audio/*": _BINARY, "application/*": _BINARY}

FILE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": _FILE},
    206: {
        "description": "The ranges of it that were asked for.",
        "content": {**_FILE, "multipart/byteranges": _BINARY},
    },
    304: {"description": "The caller's copy is current."},
    **problem_responses(VideoNotFound, FileNotFound, PreconditionFailed, RangeNotSatisfiable),
}


@router.head("/{video_id}/stream", include_in_schema=False)
@router.get(
    "/{video_id}/stream",
    operation_id="stream_video",
    summary="Stream or download a video's file",
    response_class=Response,
    responses=FILE_RESPONSES,
)
async def stream_video(
    video_id: UUID,
    request: Request,
    conditions: Annotated[Conditions, Header()],
    caller: ViewerDep,
    database: DatabaseDep,
    settings: SettingsDep,
    streams: OpenStreamsDep,
    download: Annotated[bool, Query(description="Save the file under its name.")] = False,
) -> Response:
    """The file, or the ranges of it that `Range` asks for, by the rules of RFC 9110."""
    row = await service.find_file(database, video_id)
    file = await service.open_file(row, settings=settings, streams=streams)
    return service.respond(
        file,
        row,
        conditions,
        streams=streams,
        session_id=caller.session_id,
        is_head=request.method == "HEAD",
        is_download=download,
    )
