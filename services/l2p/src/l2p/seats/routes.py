"""`/v1/lobbies/{lobby_id}/join` and `/ready`."""

from uuid import UUID

from fastapi import APIRouter, Response

from dbcommon.session import DatabaseDep
from l2p.codes.dependencies import CodesDep
from l2p.codes.errors import TooManyCodeGuesses
from l2p.dependencies import PlayerDep, ProvisionerDep
from l2p.guest_access.errors import GuestNotAllowed
from l2p.lobbies.errors import (
    Banned,
    GameUnderWay,
    LobbyClosed,
    LobbyFull,
    LobbyLocked,
    LobbyNotFound,
    NoSeat,
)
from l2p.lobbies.schemas import Lobby
from l2p.lobbies.service import check_code
from l2p.seats.dependencies import SeatsDep
from l2p.seats.entrants import Entrant
from l2p.seats.schemas import JoinRequest, ReadyRequest
from l2p.seats.service import Joined
from webcommon.accounts.throttling.dependencies import ClientInfoDep
from webcommon.api.problems import Unauthorized, problem_responses

router = APIRouter(
    prefix="/v1/lobbies", tags=["lobbies"], responses=problem_responses(Unauthorized, GuestNotAllowed)
)


@router.post(
    "/{lobby_id}/join",
    operation_id="join_lobby",
    summary="Join a lobby",
    response_model=Lobby,
    responses=problem_responses(
        LobbyNotFound, LobbyFull, LobbyClosed, LobbyLocked, Banned, GameUnderWay, TooManyCodeGuesses
    ),
)
async def join_lobby(
    lobby_id: UUID,
    player: PlayerDep,
    database: DatabaseDep,
    provisioner: ProvisionerDep,
    seats: SeatsDep,
    client: ClientInfoDep,
    codes: CodesDep,
    body: JoinRequest | None = None,
) -> Response:
    """Take a seat. A private lobby requires its code. Joining again changes nothing."""
    code = body.code if body is not None else None

    async def check_and_join() -> Joined:
        await check_code(database, lobby_id, player_id=player.id, code=code, client=client, codes=codes)
        return await seats.join(lobby_id, Entrant(user_id=player.id))

    joined = await provisioner.run(player, check_and_join)
    return Response(joined.json, media_type="application/json")


@router.post(
    "/{lobby_id}/ready",
    operation_id="set_ready",
    summary="Say whether you are ready",
    status_code=204,
    responses=problem_responses(NoSeat),
)
async def set_ready(lobby_id: UUID, body: ReadyRequest, player: PlayerDep, seats: SeatsDep) -> None:
    """Ready for the next game, or not. Nobody is at first, and after each game."""
    await seats.set_ready(lobby_id, player.id, is_ready=body.is_ready)
