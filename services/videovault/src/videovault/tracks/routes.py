"""`/v1/videos/{video_id}/tracks`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from dbcommon.session import DatabaseDep
from videovault.dependencies import SettingsDep, require_persistence
from videovault.entity_tags import entity_tag, is_unchanged
from videovault.errors import NoPersistence, VideoNotFound
from videovault.media.calls import MediaWorkers
from videovault.pictures.service import Pictures
from videovault.playback_urls.dependencies import PlaybackParameter, read_viewer
from videovault.playback_urls.signing import PARAMETER
from videovault.streams.dependencies import OpenStreamsDep
from videovault.streams.errors import FileNotFound
from videovault.tracks import service
from videovault.tracks.errors import TrackNotFound
from videovault.tracks.schemas import TrackList
from webcommon.api.problems import Forbidden, ServiceUnavailable, Unauthorized, problem_responses
from webcommon.app.state import component

router = APIRouter(
    prefix="/v1/videos",
    tags=["playback"],
    dependencies=[Depends(require_persistence), Depends(read_viewer)],
    responses=problem_responses(Unauthorized, Forbidden, NoPersistence, ServiceUnavailable),
)


@router.get(
    "/{video_id}/tracks",
    operation_id="list_tracks",
    summary="List a video's subtitles",
    responses=problem_responses(VideoNotFound),
)
async def list_tracks(
    video_id: UUID,
    database: DatabaseDep,
    settings: SettingsDep,
    streams: OpenStreamsDep,
    playback: PlaybackParameter = None,
) -> TrackList:
    """The subtitle files beside the video, and the subtitles in it. Asked for by a playback URL, their URLs are such, too."""
    query = "" if playback is None else f"{PARAMETER}={playback}"
    return await service.list_tracks(database, video_id, settings=settings, streams=streams, query=query)


@router.get(
    "/{video_id}/tracks/{n}.vtt",
    operation_id="read_track",
    summary="Read subtitles as WebVTT",
    response_class=Response,
    responses={
        200: {"description": "The track.", "content": {"text/vtt": {"schema": {"type": "string"}}}},
        304: {"description": "The caller's copy is current."},
        **problem_responses(VideoNotFound, FileNotFound, TrackNotFound),
    },
)
async def read_track(
    video_id: UUID,
    n: Annotated[int, Path(ge=0)],
    request: Request,
    database: DatabaseDep,
    settings: SettingsDep,
    streams: OpenStreamsDep,
    pictures: Annotated[Pictures, component(Pictures)],
    track: Annotated[
        str | None, Query(description="Which track it was when its URL was made, whatever its number is now.")
    ] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """A text track in UTF-8, whatever its format and encoding are."""
    content = await service.read_track(
        database,
        video_id,
        n,
        key=track,
        settings=settings,
        streams=streams,
        workers=request.app.find_component(MediaWorkers),
        cache=pictures.cache,
    )
    headers = {
        "ETag": entity_tag(content),
        "Cache-Control": "private, no-cache",
        "Referrer-Policy": "no-referrer",
    }
    if is_unchanged(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="text/vtt")
