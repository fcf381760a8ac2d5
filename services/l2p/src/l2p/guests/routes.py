"""`POST /v1/lobbies/by-code/{code}/guests`."""

from fastapi import APIRouter

from l2p.codes.dependencies import CodesDep
from l2p.codes.errors import TooManyCodeGuesses
from l2p.dependencies import SignerDep
from l2p.guests import service
from l2p.guests.schemas import GuestAdmitted, GuestRequest
from l2p.lobbies.errors import GameUnderWay, LobbyClosed, LobbyFull, LobbyLocked, LobbyNotFound
from l2p.lobbies.routes import CodeParameter
from l2p.seats.dependencies import SeatsDep
from l2p.seats.errors import NicknameTaken
from webcommon.accounts.throttling.dependencies import ClientInfoDep
from webcommon.api.problems import problem_responses

router = APIRouter(prefix="/v1/lobbies/by-code", tags=["lobbies"])


@router.post(
    "/{code}/guests",
    operation_id="admit_guest",
    summary="Join as a guest",
    status_code=201,
    responses=problem_responses(
        LobbyNotFound, LobbyClosed, LobbyLocked, LobbyFull, GameUnderWay, NicknameTaken, TooManyCodeGuesses
    ),
)
async def admit_guest(
    code: CodeParameter,
    body: GuestRequest,
    client: ClientInfoDep,
    codes: CodesDep,
    signer: SignerDep,
    seats: SeatsDep,
) -> GuestAdmitted:
    """Take a seat without an account. The token is good for this lobby and its games, for twelve hours."""
    return await service.admit_guest(
        body.nickname, code, client=client, codes=codes, signer=signer, seats=seats
    )
