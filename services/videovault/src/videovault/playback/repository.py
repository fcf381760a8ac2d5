"""The statement on what a player needs to know of a video."""

from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.rows import AnyRow
from videovault.models import Video

_VIDEO = select(Video.mime_type, Video.metadata_.label("metadata")).where(Video.id == bindparam("id"))


async def find_video(db: AsyncSession, video_id: UUID) -> AnyRow | None:
    """The video's media type and metadata."""
    return (await db.execute(_VIDEO, {"id": video_id})).one_or_none()
