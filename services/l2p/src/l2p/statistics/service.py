"""The rules of reading a player's statistics and games."""

from uuid import UUID

from fastapi import Response

from dbcommon.engine import Database
from l2p.statistics import repository
from l2p.statistics.repository import GamePosition
from l2p.users.errors import PlayerNotFound
from l2p.users.service import read_public
from webcommon.api.paging import CursorCodec


async def read_statistics(database: Database, user_id: UUID) -> Response:
    """The JSON of `Statistics`. Raises `PlayerNotFound`."""
    found = await repository.find_statistics(database, user_id)
    if found is None:
        raise PlayerNotFound
    return Response(found, media_type="application/json")


async def list_games(
    database: Database, user_id: UUID, *, cursors: CursorCodec, cursor: str | None, limit: int
) -> Response:
    """A `Page[PlayedGame]` of finished games, newest first. Raises `PlayerNotFound`."""
    scope = f"games of {user_id}"
    position = cursors.decode(scope, cursor)
    after = None if position is None else GamePosition(ended_at=position[0], id=position[1])
    page = await repository.find_games(database, user_id, after=after, limit=limit)
    if after is None and not page["items"]:
        await read_public(database, user_id)
    return cursors.json_page(page, scope=scope)
