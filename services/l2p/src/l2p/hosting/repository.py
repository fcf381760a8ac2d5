"""The statements of the host's commands on a lobby."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, literal, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from l2p.models import Lobby, LobbyBan, LobbyPlayer


async def insert_ban(db: AsyncSession, lobby_id: UUID, *, player_id: UUID) -> None:
    """Keep a player out of a lobby from now on."""
    await db.execute(insert(LobbyBan).values(lobby_id=lobby_id, user_id=player_id).on_conflict_do_nothing())


async def delete_ban(db: AsyncSession, lobby_id: UUID, *, player_id: UUID) -> None:
    """Let a player come back."""
    await db.execute(delete(LobbyBan).where(LobbyBan.lobby_id == lobby_id, LobbyBan.user_id == player_id))


async def change_lobby(
    db: AsyncSession, lobby_id: UUID, columns: dict[str, Any], *, settings: dict[str, Any]
) -> None:
    """Change a locked lobby; `settings` are those that change. Nobody is ready afterwards."""
    values = {**columns, "settings": Lobby.settings.op("||")(literal(settings, JSONB()))}
    await db.execute(update(Lobby).where(Lobby.id == lobby_id).values(values))
    is_ready = (LobbyPlayer.lobby_id == lobby_id) & LobbyPlayer.is_ready
    await db.execute(update(LobbyPlayer).where(is_ready).values(is_ready=False))
