"""The rules of recording, listing, reading and deleting videos."""

import contextlib
from collections.abc import Iterator
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from videovault.changes import repository as changes
from videovault.changes.schemas import OperationBody
from videovault.errors import VideoNotFound
from videovault.videos import repository
from videovault.videos.errors import PathTaken, PathTooLong
from videovault.videos.schemas import NewVideo, VideoBody
from webcommon.auth.bearer import Caller

_PROGRAM_LIMIT_EXCEEDED = "54000"
"""SQLSTATE of a value that is too large for an index: over 2,704 bytes, after compression, in a B-tree."""


@contextlib.contextmanager
def refusing_long_paths() -> Iterator[None]:
    """Raises `PathTooLong` where the database finds a path too long to be kept unique."""
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _PROGRAM_LIMIT_EXCEEDED:
            raise
        raise PathTooLong(
            "a path over 2,600 bytes is accepted only if it compresses well", pointer="#/file_path"
        ) from None


async def create_video(db: AsyncSession, video: NewVideo, *, caller: Caller) -> VideoBody:
    """Record a video. Raises `PathTaken`, or `PathTooLong` for a path that cannot be kept unique."""
    await changes.begin(db, changes.By(actor=str(caller.id)))
    with refusing_long_paths():
        video_id = await repository.insert_video(db, video)
    if video_id is None:
        raise PathTaken("Delete the other video first, or send another path.")
    if video.tags:
        await repository.insert_tags(db, video_id, tags=video.tags)
    row = await repository.read_inserted_video(db, video_id)
    return VideoBody.model_validate(row)


async def read_video(database: Database, video_id: UUID) -> VideoBody:
    """Raises `VideoNotFound`."""
    row = await repository.find_video(database, video_id)
    if row is None:
        raise VideoNotFound
    return VideoBody.model_validate(row)


async def delete_video(db: AsyncSession, video_id: UUID, *, caller: Caller) -> OperationBody:
    """Delete the record and its tags; never a file. Raises `VideoNotFound`."""
    operation_id = await changes.begin_operation(db, str(caller.id))
    if not await repository.delete_video(db, video_id):
        raise VideoNotFound
    return OperationBody(operation_id=operation_id)
