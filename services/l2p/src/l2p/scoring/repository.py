"""The statement that closes a question and counts what its answers earn."""

from typing import Any

from sqlalchemy import Integer, Row, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

# Integers throughout, so that half points are rounded up as the golden vectors say: a float would not be exact.
_SCORE = text(
    """
    WITH question AS (
        UPDATE questions SET closed_at = clock_timestamp()
        WHERE game_id = :game_id AND order_index = :order_index AND closed_at IS NULL
        RETURNING id, order_index, points, time_limit_ms::bigint AS time_limit_ms
    ), taken AS (
        SELECT part.id, question.id AS question_id, coalesce(given.is_correct, false) AS is_correct,
            CASE WHEN given.is_correct THEN part.streak + 1 ELSE 0 END AS streak,
            question.points, question.time_limit_ms, least(given.time_taken_ms, question.time_limit_ms) AS milliseconds
        FROM question JOIN game_participants AS part ON part.game_id = :game_id
            AND part.first_question <= question.order_index
        LEFT JOIN answers AS given ON given.participant_id = part.id AND given.question_id = question.id
    ), earned AS (
        SELECT taken.id, taken.question_id, taken.is_correct, taken.streak,
            CASE WHEN NOT taken.is_correct OR taken.points = 0 THEN 0 ELSE
                CASE WHEN NOT :speed_bonus OR taken.milliseconds < 500 THEN taken.points
                ELSE (2 * taken.points * (2 * taken.time_limit_ms - taken.milliseconds) + 2 * taken.time_limit_ms)
                    / (4 * taken.time_limit_ms) END
                + CASE WHEN :streak_bonus THEN least(greatest(taken.streak - 1, 0) * 100, 500) ELSE 0 END
            END::integer AS points
        FROM taken
    ), counted AS (
        UPDATE game_participants AS part SET score = part.score + earned.points, streak = earned.streak,
            correct_answers = part.correct_answers + earned.is_correct::integer
        FROM earned WHERE part.id = earned.id
        RETURNING part.id, part.score
    )
    INSERT INTO question_results (question_id, participant_id, points, score, rank, streak)
    SELECT earned.question_id, earned.id, earned.points, counted.score,
        rank() OVER (ORDER BY counted.score DESC), earned.streak
    FROM earned JOIN counted ON counted.id = earned.id
    """
).bindparams(bindparam("game_id", type_=Uuid()), bindparam("order_index", type_=Integer()))


async def count_scores(db: AsyncSession, game: Row[Any]) -> None:
    """Close the current question of a locked game, with a result for each participant who was in it."""
    rules = {name: game.settings[name] for name in ("speed_bonus", "streak_bonus")}
    await db.execute(_SCORE, {"game_id": game.id, "order_index": game.current_question} | rules)
