"""The statement on what a player needs to know of a video."""

from uuid import UUID

from sqlalchemy import bindparam, select

from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from videovault.models import Video

_VIDEO = select(Video.mime_type, Video.metadata_.label("metadata")).where(Video.id == bindparam("id"))


async def find_video(database: Database, video_id: UUID) -> AnyRow | None:
    """The video's media type and metadata."""
    return await database.fetch_one(_VIDEO, {"id": video_id})
