"""The host's commands on `/v1/lobbies/{lobby_id}`."""

from uuid import UUID

from fastapi import APIRouter

from dbcommon.session import SessionDep
from l2p.dependencies import LogDep, PlayerDep
from l2p.guest_access.errors import GuestNotAllowed
from l2p.hosting import service
from l2p.hosting.errors import CannotKickHost, PlayerNotInLobby, SeatsTaken
from l2p.hosting.schemas import KickRequest, LobbyChange, PlayerRequest
from l2p.lobbies.errors import GameUnderWay, LobbyClosed, LobbyNotFound, NotTheHost, QuestionSetUnknown
from l2p.lobbies.schemas import Lobby
from webcommon.api.problems import Unauthorized, problem_responses

router = APIRouter(
    prefix="/v1/lobbies/{lobby_id}",
    tags=["lobbies"],
    responses=problem_responses(Unauthorized, GuestNotAllowed, NotTheHost, LobbyNotFound, LobbyClosed),
)


@router.post(
    "/kick",
    operation_id="kick_player",
    summary="Put a player out",
    status_code=204,
    responses=problem_responses(PlayerNotInLobby, CannotKickHost),
)
async def kick_player(
    lobby_id: UUID, body: KickRequest, player: PlayerDep, db: SessionDep, log: LogDep
) -> None:
    """Free a player's seat; the host only. With `ban` they may not come back, otherwise with place and score."""
    await service.kick(db, lobby_id, body, player_id=player.id, log=log)


@router.post("/unban", operation_id="unban_player", summary="Let a banned player come back", status_code=204)
async def unban_player(lobby_id: UUID, body: PlayerRequest, player: PlayerDep, db: SessionDep) -> None:
    """End a ban; the host only. Without one nothing changes."""
    await service.unban(db, lobby_id, user_id=body.user_id, player_id=player.id)


@router.post(
    "/transfer",
    operation_id="transfer_lobby",
    summary="Make another player the host",
    status_code=204,
    responses=problem_responses(PlayerNotInLobby),
)
async def transfer_lobby(
    lobby_id: UUID, body: PlayerRequest, player: PlayerDep, db: SessionDep, log: LogDep
) -> None:
    """Hand the lobby over to a player who is in it; the host only."""
    await service.transfer(db, lobby_id, user_id=body.user_id, player_id=player.id, log=log)


@router.patch(
    "",
    operation_id="change_lobby",
    summary="Change a lobby",
    responses=problem_responses(GameUnderWay, SeatsTaken, QuestionSetUnknown),
)
async def change_lobby(
    lobby_id: UUID, body: LobbyChange, player: PlayerDep, db: SessionDep, log: LogDep
) -> Lobby:
    """Change name, seats and settings; the host only. Nobody is ready afterwards. While a game runs only the name."""
    return await service.change_lobby(db, lobby_id, body, player_id=player.id, log=log)


@router.delete("", operation_id="delete_lobby", summary="Close a lobby", status_code=204)
async def delete_lobby(lobby_id: UUID, player: PlayerDep, db: SessionDep, log: LogDep) -> None:
    """Close the lobby and abort its running game; the host only. Games that were played stay."""
    await service.delete_lobby(db, lobby_id, player_id=player.id, log=log)
