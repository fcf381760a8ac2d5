"""The rules of verification."""

import asyncio
from uuid import UUID

from dbcommon.engine import Database
from l2p.games.errors import GameNotFound
from l2p.lobbies.schemas import LobbySettings
from l2p.ratings.calculator import RatingCalculator
from l2p.scoring.rules import ScoreRules
from l2p.verification import repository
from l2p.verification.errors import GameNotOver
from l2p.verification.recomputation import Recomputation, list_entries
from l2p.verification.schemas import Verification

LISTED_DIFFERENCES = 100


async def verify_game(
    database: Database, calculator: RatingCalculator, game_id: UUID, *, user_id: UUID
) -> Verification:
    """Compare a game that is over with its answers. Raises `GameNotFound`, `GameNotOver`.

    It reads a question at a time, so that other requests are answered in between.
    """
    game = await repository.find_game(database, game_id, user_id=user_id)
    if game is None:
        raise GameNotFound
    if game.status not in ("finished", "aborted"):
        raise GameNotOver
    settings = LobbySettings.model_validate(game.settings)
    rules = ScoreRules(speed_bonus=settings.speed_bonus, streak_bonus=settings.streak_bonus)
    anew = Recomputation(await repository.find_participants(database, game_id), rules)
    for question in await repository.find_questions(database, game_id):
        for _ in anew.add_question(question, await repository.find_rows(database, question.id)):
            await asyncio.sleep(0)
    is_finished = game.status == "finished"
    anew.add_end(is_finished=is_finished)
    rated = anew.find_rated() if is_finished else []
    entries = list_entries(rated)
    anew.add_ratings(rated, await calculator.rate(entries) if entries else [])
    return Verification(
        game_id=game_id,
        is_equal=not anew.differences,
        difference_count=len(anew.differences),
        differences=anew.differences[:LISTED_DIFFERENCES],
    )
