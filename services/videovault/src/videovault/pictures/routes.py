"""`/v1/videos/{video_id}/thumbnail`, `…/sprite` and `…/sprite.vtt`."""

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Response

from dbcommon.session import DatabaseDep, SessionDep
from videovault.dependencies import EditorDep, require_persistence
from videovault.edits.schemas import VideoPatch
from videovault.edits.service import patch_video
from videovault.entity_tags import is_unchanged
from videovault.errors import NoPersistence, VideoNotFound
from videovault.pictures import service
from videovault.pictures.errors import NoPicture, PictureCacheUnusable
from videovault.pictures.repository import MOMENT
from videovault.pictures.schemas import ThumbnailMoment
from videovault.pictures.service import Kind, Picture, Pictures
from videovault.playback_urls.dependencies import PlaybackParameter, read_viewer
from videovault.playback_urls.signing import PARAMETER
from videovault.streams.errors import FileNotFound
from videovault.videos.representation import ETAG_HEADER, represent
from videovault.videos.schemas import VideoBody
from webcommon.api.problems import Forbidden, ServiceUnavailable, Unauthorized, problem_responses
from webcommon.app.state import component

router = APIRouter(
    prefix="/v1/videos",
    tags=["playback"],
    dependencies=[Depends(require_persistence)],
    responses=problem_responses(Unauthorized, Forbidden, NoPersistence, ServiceUnavailable),
)

PicturesDep = Annotated[Pictures, component(Pictures)]

IfNoneMatch = Annotated[str | None, Header()]

_JPEG = {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}


def _responses(content: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {
        200: {"description": "The picture.", "content": content},
        304: {"description": "The caller's copy is current."},
        **problem_responses(VideoNotFound, FileNotFound, NoPicture, PictureCacheUnusable),
    }


@router.get(
    "/{video_id}/thumbnail",
    operation_id="read_thumbnail",
    summary="Show a picture of the film",
    response_class=Response,
    responses=_responses(_JPEG),
    dependencies=[Depends(read_viewer)],
)
async def read_thumbnail(
    video_id: UUID, database: DatabaseDep, pictures: PicturesDep, if_none_match: IfNoneMatch = None
) -> Response:
    """A JPEG, upright and with square pixels, of the second that an editor chose, or of one that was chosen by itself."""
    return await _answer(database, pictures, video_id, "thumbnail", if_none_match)


@router.put(
    "/{video_id}/thumbnail",
    operation_id="choose_thumbnail",
    summary="Choose the picture of the film",
    response_model=VideoBody,
    responses={200: {"headers": ETAG_HEADER}, **problem_responses(VideoNotFound)},
)
async def choose_thumbnail(
    video_id: UUID, body: ThumbnailMoment, caller: EditorDep, db: SessionDep
) -> Response:
    """Choose the second of the thumbnail, which is kept as `thumbnail_at` in the metadata; after the end it is the last one."""
    patch = VideoPatch(metadata={MOMENT: body.at_seconds})
    return represent(await patch_video(db, video_id, patch, caller=caller, if_match=None))


@router.get(
    "/{video_id}/sprite",
    operation_id="read_sprite",
    summary="Show pictures from the whole film in one",
    response_class=Response,
    responses=_responses(_JPEG),
    dependencies=[Depends(read_viewer)],
)
async def read_sprite(
    video_id: UUID, database: DatabaseDep, pictures: PicturesDep, if_none_match: IfNoneMatch = None
) -> Response:
    """A JPEG of up to a hundred pictures, row by row; `sprite.vtt` says which is where."""
    return await _answer(database, pictures, video_id, "sprite", if_none_match)


@router.get(
    "/{video_id}/sprite.vtt",
    operation_id="read_sprite_places",
    summary="Tell where the pictures of a sprite are",
    response_class=Response,
    responses=_responses({"text/vtt": {"schema": {"type": "string"}}}),
    dependencies=[Depends(read_viewer)],
)
async def read_sprite_places(
    video_id: UUID,
    database: DatabaseDep,
    pictures: PicturesDep,
    if_none_match: IfNoneMatch = None,
    playback: PlaybackParameter = None,
) -> Response:
    """A cue for each picture, with its region of the sprite. Asked for by a playback URL, the sprite's URL is one, too."""
    url = "sprite" if playback is None else f"sprite?{urlencode({PARAMETER: playback})}"

    def write(picture: Picture) -> Response:
        assert picture.places is not None  # noqa: S101 - of a sprite
        return Response(service.write_vtt(picture.places, url=url), media_type="text/vtt")

    return await _answer(database, pictures, video_id, "sprite", if_none_match, write)


def _write_jpeg(picture: Picture) -> Response:
    return Response(picture.content, media_type="image/jpeg")


async def _answer(
    database: DatabaseDep,
    pictures: Pictures,
    video_id: UUID,
    kind: Kind,
    if_none_match: str | None,
    write: Callable[[Picture], Response] = _write_jpeg,
) -> Response:
    wanted = await service.find_wanted(database, video_id, kind)
    headers = {"ETag": wanted.tag, "Cache-Control": "private, no-cache", "Referrer-Policy": "no-referrer"}
    if is_unchanged(if_none_match, wanted.tag):
        return Response(status_code=304, headers=headers)
    response = write(await pictures.get(wanted))
    response.headers.update(headers)
    return response
