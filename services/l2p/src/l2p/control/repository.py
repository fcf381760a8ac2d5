"""The statements on a game that is to be changed."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from l2p.models import Game


async def find_lobby_of(db: AsyncSession, game_id: UUID) -> UUID | None:
    """The lobby of a game."""
    return (await db.execute(select(Game.lobby_id).where(Game.id == game_id))).scalar_one_or_none()
