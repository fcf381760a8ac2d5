"""The statement that finds what a picture is made of."""

from uuid import UUID

from sqlalchemy import bindparam, func, select

from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from videovault.models import Root, Video

MOMENT = "thumbnail_at"
"""The key of the metadata with the second of the thumbnail."""

_IS_BELOW = func.starts_with(Video.file_path, func.concat(func.rtrim(Root.path, "/"), "/"))

_FILM = (
    select(
        Video.id,
        Video.file_path,
        Video.path_bytes,
        Video.file_size,
        Video.mtime,
        Video.inode,
        Video.identity,
        Video.missing_since,
        Video.probed,
        Video.probe_error,
        Video.metadata_[MOMENT].label("moment"),
        Video.metadata_["duration_ms"].label("duration_ms"),
        Root.path.label("root_path"),
        Root.path_bytes.label("root_path_bytes"),
    )
    .join_from(Video, Root, _IS_BELOW, isouter=True)
    .where(Video.id == bindparam("id"))
)


async def find_film(database: Database, video_id: UUID) -> AnyRow | None:
    """The video's file as the last scan saw it, and the root that covers it, if one does; None without the video."""
    return await database.fetch_one(_FILM, {"id": video_id})
