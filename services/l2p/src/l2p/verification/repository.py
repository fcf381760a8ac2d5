"""The statements that read what a verification compares: rows as they are, nothing computed."""
# ruff: noqa: S608 - composed of constants of this file; every value is a parameter

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Uuid, bindparam, select, text

from dbcommon.engine import Database
from l2p.games.repository import MAY_SEE
from l2p.models import Question

_GAME = text(
    f"SELECT game.status, game.settings FROM games AS game WHERE game.id = :game_id AND {MAY_SEE}"
).bindparams(bindparam("game_id", type_=Uuid()), bindparam("user_id", type_=Uuid()))

# A player whose account was deleted since has no row any more, but the rating change stays.
_PARTICIPANTS = text(
    """
    SELECT part.id, part.user_id, part.first_question, part.score, part.correct_answers, part.rank,
        change.participant_id IS NOT NULL OR NOT coalesce(player.is_guest, true) AS has_account,
        change.mu_before, change.sigma_before, change.mu, change.sigma, change.rating
    FROM game_participants AS part LEFT JOIN users AS player ON player.id = part.user_id
    LEFT JOIN rating_changes AS change ON change.participant_id = part.id
    WHERE part.game_id = :game_id ORDER BY part.id
    """
).bindparams(bindparam("game_id", type_=Uuid()))

_QUESTIONS = (
    select(
        Question.id, Question.order_index, Question.points, Question.time_limit_ms, Question.correct_answer
    )
    .where(Question.game_id == bindparam("game_id"), Question.closed_at.is_not(None))
    .order_by(Question.order_index)
)

_ROWS = text(
    """
    SELECT coalesce(result.participant_id, given.participant_id) AS participant_id,
        given.answer, given.is_correct, given.time_taken_ms,
        result.points, result.streak, result.score, result.rank
    FROM (SELECT * FROM question_results WHERE question_id = :question_id) AS result
    FULL JOIN (SELECT * FROM answers WHERE question_id = :question_id) AS given
        ON given.participant_id = result.participant_id
    """
).bindparams(bindparam("question_id", type_=Uuid()))


async def find_game(database: Database, game_id: UUID, *, user_id: UUID) -> Row[Any] | None:
    """The `status` and `settings` of a game, for its host and its participants."""
    return await database.fetch_one(_GAME, {"game_id": game_id, "user_id": user_id})


async def find_participants(database: Database, game_id: UUID) -> Sequence[Row[Any]]:
    """The participants with their final numbers and rating changes."""
    return await database.fetch_all(_PARTICIPANTS, {"game_id": game_id})


async def find_questions(database: Database, game_id: UUID) -> Sequence[Row[Any]]:
    """The closed questions in their order."""
    return await database.fetch_all(_QUESTIONS, {"game_id": game_id})


async def find_rows(database: Database, question_id: UUID) -> Sequence[Row[Any]]:
    """Answers and results of a question, by participant."""
    return await database.fetch_all(_ROWS, {"question_id": question_id})
