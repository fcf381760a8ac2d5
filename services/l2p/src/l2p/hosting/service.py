"""The rules of the host's commands on a lobby. Each raises `LobbyNotFound`, `LobbyClosed` and `NotTheHost`."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from l2p.hosting import repository
from l2p.hosting.errors import CannotKickHost, PlayerNotInLobby, SeatsTaken
from l2p.hosting.schemas import KickRequest, LobbyChange
from l2p.lobbies import repository as lobbies
from l2p.lobbies import service as rules
from l2p.lobbies.errors import GameUnderWay
from l2p.lobbies.schemas import Lobby
from l2p.log.events import NewEvent
from l2p.log.log import LobbyLog
from l2p.models import Lobby as LockedLobby


async def kick(
    db: AsyncSession, lobby_id: UUID, request: KickRequest, *, player_id: UUID, log: LobbyLog
) -> None:
    """Free another player's seat, and keep them out if `ban`. Place and score in a running game stay.

    Raises `CannotKickHost`, and `PlayerNotInLobby` unless the player is out and banned already.
    """
    await rules.lock_as_host(db, lobby_id, player_id=player_id)
    if request.user_id == player_id:
        raise CannotKickHost
    if not await lobbies.delete_seat(db, lobby_id, player_id=request.user_id):
        if request.ban and await lobbies.is_banned(db, lobby_id, player_id=request.user_id):
            return
        raise PlayerNotInLobby
    if request.ban:
        await repository.insert_ban(db, lobby_id, player_id=request.user_id)
    data = {"user_id": request.user_id, "reason": "kicked", "banned": request.ban}
    await log.append(db, lobby_id, NewEvent(type="player.left", data=data))


async def unban(db: AsyncSession, lobby_id: UUID, *, user_id: UUID, player_id: UUID) -> None:
    """Let a player come back. Without a ban it does nothing."""
    await rules.lock_as_host(db, lobby_id, player_id=player_id)
    await repository.delete_ban(db, lobby_id, player_id=user_id)


async def transfer(
    db: AsyncSession, lobby_id: UUID, *, user_id: UUID, player_id: UUID, log: LobbyLog
) -> None:
    """Make another player the host. Raises `PlayerNotInLobby`."""
    await rules.lock_as_host(db, lobby_id, player_id=player_id)
    if user_id == player_id:
        return
    seats = await lobbies.find_seats(db, lobby_id, player_id=user_id)
    if not seats.has_player:
        raise PlayerNotInLobby
    await rules.set_host(db, lobby_id, host_id=user_id, log=log)


async def change_lobby(
    db: AsyncSession, lobby_id: UUID, change: LobbyChange, *, player_id: UUID, log: LobbyLog
) -> Lobby:
    """Change name, seats or settings; nobody is ready afterwards. Turning `host_plays` on or off seats the host or
    frees the host's seat. Raises `GameUnderWay`, `SeatsTaken`, `QuestionSetUnknown`."""
    lobby = await rules.lock_as_host(db, lobby_id, player_id=player_id)
    columns = change.model_dump(mode="json", exclude_unset=True)
    settings: dict[str, Any] = columns.pop("settings", {})
    if lobby.status == "in_game" and (columns.keys() | settings.keys()) - {"name"}:
        raise GameUnderWay("While a game runs only the name can be changed.")
    await rules.check_question_set(db, change.settings, player_id=player_id)
    await _seat_host(db, lobby, settings, log=log)
    seats = await lobbies.find_seats(db, lobby_id, player_id=player_id)
    if seats.taken > columns.get("max_players", lobby.max_players):
        raise SeatsTaken(taken=seats.taken)
    await repository.change_lobby(db, lobby_id, columns, settings=settings)
    changed = await rules.read_any_lobby(db, lobby_id)
    data = changed.model_dump(mode="json", include={"name", "max_players", "settings"})
    await log.append(db, lobby_id, NewEvent(type="lobby.updated", data=data))
    return changed


async def _seat_host(
    db: AsyncSession, lobby: LockedLobby, settings: dict[str, Any], *, log: LobbyLog
) -> None:
    """Seat a host who plays from now on, and free the seat of one who does not any more."""
    host_id = lobby.host_id
    if "host_plays" not in settings or host_id is None:
        return
    seats = await lobbies.find_seats(db, lobby.id, player_id=host_id)
    if settings["host_plays"] and not seats.has_player:
        await rules.seat(db, lobby.id, player_id=host_id, log=log)
    elif not settings["host_plays"] and seats.has_player:
        await rules.free_seat(db, lobby.id, player_id=host_id, log=log)


async def delete_lobby(db: AsyncSession, lobby_id: UUID, *, player_id: UUID, log: LobbyLog) -> None:
    """Close the lobby, and abort its game. History stays."""
    await rules.lock_as_host(db, lobby_id, player_id=player_id)
    await rules.close_lobby(db, lobby_id, reason="deleted", log=log)
