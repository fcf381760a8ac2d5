"""The rules of a user's own of a video."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from videovault.changes import repository as changes
from videovault.errors import VideoNotFound
from videovault.mine import repository
from videovault.mine.schemas import MineBody, MineRequest
from webcommon.auth.bearer import Caller


async def put_mine(db: AsyncSession, video_id: UUID, mine: MineRequest, *, caller: Caller) -> MineBody:
    """Store what a video is to the caller. Raises `VideoNotFound`."""
    await changes.begin(db, changes.By(actor=str(caller.id)))
    row = await repository.store_mine(db, caller.id, video_id, mine=mine)
    if row is None:
        raise VideoNotFound
    return MineBody.model_validate(row)
