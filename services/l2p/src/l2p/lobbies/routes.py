"""`/v1/lobbies`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response

from dbcommon.session import DatabaseDep, SessionDep
from l2p.codes.dependencies import CodesDep
from l2p.codes.errors import TooManyCodeGuesses
from l2p.dependencies import LobbyTurn, LogDep, PlayerDep, PresenceDep, ProvisionerDep, get_player
from l2p.guest_access.errors import GuestNotAllowed
from l2p.lobbies import service
from l2p.lobbies.errors import (
    LobbyNotFound,
    NoFreeCode,
    QuestionSetUnknown,
)
from l2p.lobbies.schemas import Lobby, LobbyPlayer, LobbyRequest, LobbySummary
from l2p.models import LobbyStatus
from webcommon.accounts.throttling.dependencies import ClientInfoDep
from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.api.problems import Unauthorized, problem_responses
from webcommon.api.schemas import Text
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep

router = APIRouter(
    prefix="/v1/lobbies", tags=["lobbies"], responses=problem_responses(Unauthorized, GuestNotAllowed)
)

SearchParameter = Annotated[
    Text | None, Query(max_length=100, description="Part of the name, in upper or lower case.")
]
CodeParameter = Annotated[
    Text, Path(max_length=32, description="In upper or lower case.", examples=["KX7DQM"])
]


@router.post(
    "",
    operation_id="create_lobby",
    summary="Create a lobby",
    status_code=201,
    responses=problem_responses(QuestionSetUnknown, NoFreeCode),
)
async def create_lobby(
    body: LobbyRequest,
    response: Response,
    player: PlayerDep,
    provisioner: ProvisionerDep,
    presence: PresenceDep,
    log: LogDep,
) -> Lobby:
    """Open a lobby. You are its host and its first player; others join with its code."""
    lobby = await provisioner.write(
        player, lambda db: service.create_lobby(db, body, player_id=player.id, log=log)
    )
    # As any call on it: a host who never comes back is missed then.
    presence.touch(lobby.id, player.id)
    response.headers["Location"] = f"/v1/lobbies/{lobby.id}"
    return lobby


@router.get(
    "",
    operation_id="list_lobbies",
    summary="List public lobbies",
    dependencies=[Depends(get_player)],
    response_model=Page[LobbySummary],
)
@fast_path
async def list_lobbies(
    database: DatabaseDep,
    cursors: CursorsDep,
    status: LobbyStatus = "waiting",
    q: SearchParameter = None,
    limit: LimitParameter = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Response:
    """Public lobbies of one status, newest first, with the number of players in each."""
    return await service.list_lobbies(
        database, status=status, search=q, cursors=cursors, cursor=cursor, limit=limit
    )


@router.get(
    "/by-code/{code}",
    operation_id="read_lobby_by_code",
    summary="Find a lobby by its code",
    responses=problem_responses(LobbyNotFound, TooManyCodeGuesses),
)
async def read_lobby_by_code(
    code: CodeParameter,
    player: PlayerDep,
    database: DatabaseDep,
    provisioner: ProvisionerDep,
    client: ClientInfoDep,
    codes: CodesDep,
) -> Lobby:
    """The open lobby with this code, private ones too. Wrong codes are limited to 20 a minute, and by network."""
    # Counting the guess writes a row that refers to the player's.
    return await provisioner.run(
        player,
        lambda: service.read_lobby_by_code(database, code, player_id=player.id, client=client, codes=codes),
    )


@router.get(
    "/{lobby_id}",
    operation_id="read_lobby",
    summary="Read a lobby",
    responses=problem_responses(LobbyNotFound),
)
async def read_lobby(lobby_id: UUID, player: PlayerDep, database: DatabaseDep) -> Lobby:
    """A lobby with its players. A private one is shown to its players only."""
    return await service.read_lobby(database, lobby_id, player_id=player.id)


@router.get(
    "/{lobby_id}/players",
    operation_id="list_players",
    summary="List a lobby's players",
    response_model=Page[LobbyPlayer],
    responses=problem_responses(LobbyNotFound),
)
@fast_path
async def list_players(
    lobby_id: UUID,
    player: PlayerDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    limit: LimitParameter = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Response:
    """All players of a lobby that you may see, the longest-present first."""
    return await service.list_players(
        database, lobby_id, player_id=player.id, cursors=cursors, cursor=cursor, limit=limit
    )


@router.post(
    "/{lobby_id}/leave",
    operation_id="leave_lobby",
    dependencies=[LobbyTurn],
    summary="Leave a lobby",
    status_code=204,
    responses=problem_responses(LobbyNotFound),
)
async def leave_lobby(lobby_id: UUID, player: PlayerDep, db: SessionDep, log: LogDep) -> None:
    """Free your seat. A host hands over to the longest-present player; the last one out closes the lobby."""
    await service.leave_lobby(db, lobby_id, player_id=player.id, log=log)
