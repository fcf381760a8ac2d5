"""The statement on a user's own of a video."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.rows import AnyRow
from videovault.mine.schemas import MineRequest
from videovault.models import mine_id

_STORE = text(
    """
    INSERT INTO mine (id, user_id, video_id, favourite, rating)
        SELECT :id, :user_id, v.id, :favourite, :rating FROM videos v WHERE v.id = :video_id
        ON CONFLICT (id) DO UPDATE
            SET favourite = CASE WHEN 'favourite' = ANY(CAST(:given AS text[])) THEN excluded.favourite ELSE mine.favourite END,
                rating = CASE WHEN 'rating' = ANY(CAST(:given AS text[])) THEN excluded.rating ELSE mine.rating END
        RETURNING favourite, rating
    """
)


async def store_mine(db: AsyncSession, user_id: UUID, video_id: UUID, *, mine: MineRequest) -> AnyRow | None:
    """Store what was given; returns all of it as it is now, or None if there is no such video."""
    parameters = {
        "id": mine_id(user_id, video_id),
        "user_id": user_id,
        "video_id": video_id,
        "given": sorted(mine.model_fields_set),
        **mine.model_dump(),
    }
    return (await db.execute(_STORE, parameters)).one_or_none()
