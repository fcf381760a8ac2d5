"""The statement on the lobby of a game."""

from uuid import UUID

from sqlalchemy import bindparam, select

from dbcommon.engine import Database
from l2p.models import Game

_LOBBY = select(Game.lobby_id).where(Game.id == bindparam("game_id"))


async def find_lobby_of(database: Database, game_id: UUID) -> UUID | None:
    """The lobby of a game."""
    row = await database.fetch_one(_LOBBY, {"game_id": game_id})
    return None if row is None else row.lobby_id
