"""The statement that finds a video's file."""

from uuid import UUID

from sqlalchemy import bindparam, func, select

from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from videovault.models import Root, Video

_IS_BELOW = func.starts_with(Video.file_path, func.concat(func.rtrim(Root.path, "/"), "/"))

_FILE = (
    select(
        Video.file_path,
        Video.path_bytes,
        Video.file_name,
        Video.mime_type,
        Video.metadata_["streams"].label("streams"),
        Video.file_size,
        Video.mtime,
        Video.inode,
        Video.identity,
        Root.path.label("root_path"),
        Root.path_bytes.label("root_path_bytes"),
    )
    .join_from(Video, Root, _IS_BELOW, isouter=True)
    .where(Video.id == bindparam("id"))
)


async def find_file(database: Database, video_id: UUID) -> AnyRow | None:
    """Where the video's file is, and the root that covers it, if one does; None without the video."""
    return await database.fetch_one(_FILE, {"id": video_id})
