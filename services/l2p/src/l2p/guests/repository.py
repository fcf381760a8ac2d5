"""The statements on guests."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from l2p.models import LobbyPlayer, User
from l2p.users.repository import PUBLIC_COLUMNS


async def has_player_named(db: AsyncSession, lobby_id: UUID, name: str) -> bool:
    """Whether a player with an account, who is in the lobby, has this name in upper or lower case."""
    seated = exists().where(
        LobbyPlayer.lobby_id == lobby_id, LobbyPlayer.user_id == User.id, User.username == name
    )
    return bool((await db.execute(select(seated))).scalar_one())


async def insert_guest(
    db: AsyncSession, guest_id: UUID, *, lobby_id: UUID, nickname: str, key: str
) -> Row[*tuple[Any, ...]] | None:
    """Store a guest of a lobby; None when another guest of it has a name with this key."""
    statement = (
        insert(User)
        .values(id=guest_id, is_guest=True, guest_lobby_id=lobby_id, nickname=nickname, nickname_key=key)
        .on_conflict_do_nothing(index_elements=[User.guest_lobby_id, User.nickname_key])
        .returning(*PUBLIC_COLUMNS)
    )
    return (await db.execute(statement)).one_or_none()
