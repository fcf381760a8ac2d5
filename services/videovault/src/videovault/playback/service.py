"""The rules of playback."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError

from dbcommon.engine import Database
from videovault.errors import VideoNotFound
from videovault.playback import repository
from videovault.playback.schemas import Chapter, PlaybackBody
from videovault.playback_urls.service import sign_url
from videovault.playback_urls.signing import PlaybackUrls
from videovault.settings import Settings
from videovault.streams.body import OpenStreams
from videovault.tracks.service import list_tracks
from webcommon.auth.bearer import Caller

_CHAPTERS = TypeAdapter(list[Chapter])


class _Stream(BaseModel):
    """A stream, as `metadata.streams` has it."""

    type: str
    cover: bool = False
    codec_string: str | None = None


_STREAMS = TypeAdapter(list[_Stream])


async def begin_playback(
    database: Database,
    urls: PlaybackUrls,
    video_id: UUID,
    *,
    caller: Caller,
    settings: Settings,
    streams: OpenStreams,
) -> PlaybackBody:
    """How this caller plays the video. Raises `VideoNotFound`."""
    row = await repository.find_video(database, video_id)
    if row is None:
        raise VideoNotFound
    async with database.transaction() as db:
        query, expires_at = await sign_url(db, urls, video_id, caller=caller, now=time.time())
    tracks = await list_tracks(database, video_id, settings=settings, streams=streams, query=query)
    return PlaybackBody(
        url=f"/v1/videos/{video_id}/stream?{query}",
        expires_at=datetime.fromtimestamp(expires_at, UTC),
        mime_type=row.mime_type,
        codecs=_read_codecs(row.metadata),
        width=_read_size(row.metadata, "width"),
        height=_read_size(row.metadata, "height"),
        tracks=tracks.items,
        chapters=_read_chapters(row.metadata),
    )


# People may write anything into the metadata, also where a scan has its own.
def _read_size(metadata: Mapping[str, Any], name: str) -> int | None:
    value = metadata.get(name)
    return value if isinstance(value, int) and value > 0 else None


def _read_codecs(metadata: Mapping[str, Any]) -> str | None:
    """The picture's and the first sound's, as a media type has them; None if one of them is not known."""
    try:
        streams = _STREAMS.validate_python(metadata.get("streams", []))
    except ValidationError:
        return None
    pictures = [each for each in streams if each.type == "video" and not each.cover]
    sounds = [each for each in streams if each.type == "audio"]
    chosen = [each.codec_string for each in (*pictures[:1], *sounds[:1])]
    return ",".join(filter(None, chosen)) if pictures and all(chosen) else None


def _read_chapters(metadata: Mapping[str, Any]) -> list[Chapter]:
    try:
        return _CHAPTERS.validate_python(metadata.get("chapters", []))
    except ValidationError:
        return []
