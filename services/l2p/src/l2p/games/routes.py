"""`/v1/lobbies/{lobby_id}/games` and `/v1/games`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from dbcommon.session import DatabaseDep
from l2p.dependencies import LogDep, PlayerDep, ProvisionerDep
from l2p.driver.dependencies import DriverDep
from l2p.games import service
from l2p.games.errors import (
    GameNotFound,
    NoPlayers,
    NoQuestions,
    PlayersNotReady,
)
from l2p.games.schemas import Game, GameRequest, PlayedQuestions, Results, ResultsFormat
from l2p.guest_access.errors import GuestNotAllowed
from l2p.lobbies.errors import GameUnderWay, LobbyClosed, LobbyNotFound, NotTheHost, QuestionSetUnknown
from webcommon.api.problems import Unauthorized, problem_responses
from webcommon.app.fast_path import fast_path

router = APIRouter(prefix="/v1", tags=["games"], responses=problem_responses(Unauthorized, GuestNotAllowed))


@router.post(
    "/lobbies/{lobby_id}/games",
    operation_id="start_game",
    summary="Start a game",
    status_code=201,
    response_model=Game,
    responses=problem_responses(
        LobbyNotFound,
        LobbyClosed,
        NotTheHost,
        GameUnderWay,
        NoQuestions,
        NoPlayers,
        PlayersNotReady,
        QuestionSetUnknown,
    ),
)
async def start_game(
    lobby_id: UUID,
    body: GameRequest,
    player: PlayerDep,
    provisioner: ProvisionerDep,
    log: LogDep,
    driver: DriverDep,
    database: DatabaseDep,
) -> Response:
    """Start a game with the players who are in the lobby; the host only, when all are ready or with `force`."""
    game_id = await provisioner.write(
        player,
        lambda db: service.start_game(
            db, lobby_id, body, player_id=player.id, process_id=driver.process_id, log=log
        ),
    )
    driver.take(game_id, lobby_id)
    response = await service.read_state(database, game_id, user_id=player.id)
    response.status_code = 201
    response.headers["Location"] = f"/v1/games/{game_id}"
    return response


@router.get(
    "/games/{game_id}",
    operation_id="read_game",
    summary="Read the state of a game",
    response_model=Game,
    responses=problem_responses(GameNotFound),
)
@fast_path
async def read_game(game_id: UUID, player: PlayerDep, database: DatabaseDep) -> Response:
    """The phase, the open question and the scores: enough to play by. The right answer is not in it."""
    return await service.read_state(database, game_id, user_id=player.id)


@router.get(
    "/games/{game_id}/results",
    operation_id="read_results",
    summary="Read the ranking",
    response_model=Results,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        **problem_responses(GameNotFound),
    },
)
@fast_path
async def read_results(
    game_id: UUID,
    player: PlayerDep,
    database: DatabaseDep,
    format: Annotated[ResultsFormat, Query()] = "json",  # noqa: A002 - the name in the query
) -> Response:
    """The ranking with each participant's closed questions, for the host and the participants."""
    return await service.read_results(database, game_id, user_id=player.id, form=format)


@router.get(
    "/games/{game_id}/questions",
    operation_id="read_played_questions",
    summary="Read the closed questions",
    response_model=PlayedQuestions,
    responses=problem_responses(GameNotFound),
)
@fast_path
async def read_played_questions(game_id: UUID, player: PlayerDep, database: DatabaseDep) -> Response:
    """The closed questions with their right answers and everybody's answers, for the host and the participants."""
    return await service.read_played_questions(database, game_id, user_id=player.id)
