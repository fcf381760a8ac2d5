"""The rules of starting a game, and of reading it."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.models import new_id
from l2p.games import repository
from l2p.games.errors import (
    GameNotFound,
    NoPlayers,
    NoQuestions,
    PlayersNotReady,
)
from l2p.games.repository import NewGame
from l2p.games.results_csv import write_csv
from l2p.games.schemas import GameRequest, ResultsFormat
from l2p.lobbies import repository as lobbies
from l2p.lobbies.errors import GameUnderWay, QuestionSetUnknown
from l2p.lobbies.schemas import LobbySettings
from l2p.lobbies.service import lock_as_host
from l2p.log.events import NewEvent
from l2p.log.log import LobbyLog
from l2p.question_sets.schemas import QuestionRequest
from l2p.state.repository import read_game

MEDIA_TYPE = "application/json"


async def start_game(
    db: AsyncSession,
    lobby_id: UUID,
    request: GameRequest,
    *,
    player_id: UUID,
    process_id: UUID,
    log: LobbyLog,
) -> UUID:
    """Start a game of a lobby, driven by this process; gives its id.

    Raises `LobbyNotFound`, `LobbyClosed`, `NotTheHost`, `GameUnderWay`, `NoQuestions`, `NoPlayers`, `PlayersNotReady`,
    `QuestionSetUnknown`.
    """
    lobby = await lock_as_host(db, lobby_id, player_id=player_id)
    running = await repository.find_running(db, lobby_id)
    if running is not None:
        raise GameUnderWay("Wait until it is over, or abort it.", game_id=str(running))
    await _check_players(db, lobby_id, force=request.force)
    settings = LobbySettings.model_validate(lobby.settings)
    game = NewGame(
        id=new_id(),
        lobby_id=lobby_id,
        settings=settings.model_dump(mode="json"),
        starting_ms=settings.starting_ms,
        lease_holder=process_id,
    )
    starts_at = await repository.insert_game(db, game)
    question_count = await _store_questions(db, game, request, host_id=player_id, creator_id=lobby.creator_id)
    await lobbies.set_status(db, lobby_id, status="in_game")
    data = {"game_id": game.id, "question_count": question_count, "phase_ends_at": starts_at}
    await log.append(db, lobby_id, NewEvent(type="game.started", data=data))
    return game.id


async def _check_players(db: AsyncSession, lobby_id: UUID, *, force: bool) -> None:
    counts = await repository.count_seats(db, lobby_id)
    if counts.seats == 0:
        raise NoPlayers
    if counts.unready and not force:
        raise PlayersNotReady(number=counts.unready)


async def _store_questions(
    db: AsyncSession, game: NewGame, request: GameRequest, *, host_id: UUID, creator_id: UUID | None
) -> int:
    """Store the questions of the request, of its set, or else of the lobby's set; gives their number.

    A private set is its owner's: for the host's own request, and for the lobby that its owner created or hosts.
    """
    settings = LobbySettings.model_validate(game.settings)
    set_id, owner_ids = request.question_set_id, [host_id]
    if request.questions is None and set_id is None:
        set_id, owner_ids = settings.question_set_id, [host_id, *([creator_id] if creator_id else [])]
    if request.questions is not None and set_id is None:
        questions = _choose_questions(request.questions, settings)
        await repository.insert_questions(db, game.id, questions)
        return len(questions)
    if request.questions is not None or set_id is None:
        raise NoQuestions
    number = await repository.copy_questions(db, game.id, set_id, owner_ids=owner_ids, settings=settings)
    if number == 0:
        raise QuestionSetUnknown(pointer="#/question_set_id")
    return number


def _choose_questions(requested: Sequence[QuestionRequest], settings: LobbySettings) -> list[dict[str, Any]]:
    questions = [question.model_dump() for question in requested]
    if settings.shuffle:
        random.shuffle(questions)
    questions = questions[: settings.question_count]
    return [
        {
            **question,
            "order_index": index,
            "time_limit_ms": question["time_limit_ms"] or settings.time_limit_ms,
        }
        for index, question in enumerate(questions)
    ]


async def read_state(database: Database, game_id: UUID, *, user_id: UUID) -> Response:
    """The JSON of `Game`. Raises `GameNotFound`."""
    state = await read_game(database, game_id, user_id=user_id)
    if state is None:
        raise GameNotFound
    return Response(state, media_type=MEDIA_TYPE)


async def read_results(database: Database, game_id: UUID, *, user_id: UUID, form: ResultsFormat) -> Response:
    """The `Results` as JSON or CSV, for the host and the participants. Raises `GameNotFound`."""
    found = await repository.find_results(database, game_id, user_id=user_id)
    if found is None:
        raise GameNotFound
    if form == "csv":
        headers = {"Content-Disposition": f'attachment; filename="results-{game_id}.csv"'}
        # Of a large game this takes longer than others should wait.
        text = await asyncio.to_thread(write_csv, found["items"])
        return Response(text, media_type="text/csv", headers=headers)
    body = f'{{"game_id":"{game_id}","status":"{found["status"]}","items":{found["items"]}}}'
    return Response(body, media_type=MEDIA_TYPE)


async def read_played_questions(database: Database, game_id: UUID, *, user_id: UUID) -> Response:
    """The JSON of `PlayedQuestions`, for the host and the participants. Raises `GameNotFound`."""
    found = await repository.find_played(database, game_id, user_id=user_id)
    if found is None:
        raise GameNotFound
    return Response(f'{{"items":{found}}}', media_type=MEDIA_TYPE)
