"""The rules of playback."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from videovault.errors import VideoNotFound
from videovault.playback import repository
from videovault.playback.schemas import Chapter, PlaybackBody
from videovault.playback_urls.service import sign_url
from videovault.playback_urls.signing import PlaybackUrls
from webcommon.auth.bearer import Caller

_CHAPTERS = TypeAdapter(list[Chapter])


async def begin_playback(
    db: AsyncSession, urls: PlaybackUrls, video_id: UUID, *, caller: Caller
) -> PlaybackBody:
    """How this caller plays the video. Raises `VideoNotFound`."""
    row = await repository.find_video(db, video_id)
    if row is None:
        raise VideoNotFound
    query, expires_at = await sign_url(db, urls, video_id, caller=caller, now=time.time())
    return PlaybackBody(
        url=f"/v1/videos/{video_id}/stream?{query}",
        expires_at=datetime.fromtimestamp(expires_at, UTC),
        mime_type=row.mime_type,
        codecs=None,
        width=_read_size(row.metadata, "width"),
        height=_read_size(row.metadata, "height"),
        tracks=[],
        chapters=_read_chapters(row.metadata),
    )


# People may write anything into the metadata, also where a scan has its own.
def _read_size(metadata: Mapping[str, Any], name: str) -> int | None:
    value = metadata.get(name)
    return value if isinstance(value, int) and value > 0 else None


def _read_chapters(metadata: Mapping[str, Any]) -> list[Chapter]:
    try:
        return _CHAPTERS.validate_python(metadata.get("chapters", []))
    except ValidationError:
        return []
