"""`/v1/videos/{video_id}/playback`."""

from uuid import UUID

from fastapi import APIRouter, Depends, Response

from dbcommon.session import DatabaseDep
from videovault.dependencies import ReaderDep, SettingsDep, require_persistence
from videovault.errors import NoPersistence, VideoNotFound
from videovault.playback import service
from videovault.playback.schemas import PlaybackBody
from videovault.playback_urls.dependencies import PlaybackUrlsDep
from videovault.streams.dependencies import OpenStreamsDep
from webcommon.api.problems import Forbidden, ServiceUnavailable, Unauthorized, problem_responses

router = APIRouter(
    prefix="/v1/videos",
    tags=["playback"],
    dependencies=[Depends(require_persistence)],
    responses=problem_responses(Unauthorized, Forbidden, NoPersistence, ServiceUnavailable),
)


@router.post(
    "/{video_id}/playback",
    operation_id="begin_playback",
    summary="Get URLs for a player",
    responses=problem_responses(VideoNotFound),
)
async def begin_playback(
    video_id: UUID,
    response: Response,
    caller: ReaderDep,
    database: DatabaseDep,
    settings: SettingsDep,
    urls: PlaybackUrlsDep,
    streams: OpenStreamsDep,
) -> PlaybackBody:
    """A URL of the file that needs no token, for this caller, until it expires or the session ends. The same query opens the
    video's thumbnail, sprite and tracks."""
    response.headers["Referrer-Policy"] = "no-referrer"
    return await service.begin_playback(
        database, urls, video_id, caller=caller, settings=settings, streams=streams
    )
