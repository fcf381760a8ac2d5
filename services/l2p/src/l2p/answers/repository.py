"""The statement that stores a batch of answers to one game."""
# ruff: noqa: S608 - composed of constants of this file; every value is a parameter

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import Integer, Text, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from dbcommon.driver_statements import DriverText
from dbcommon.engine import Database

LAG_PER_QUESTION, LAG_PER_GAME = 500, 3000
"""Milliseconds at most that the way over the network is taken off a player's time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """An answer as it arrived at a process. `arrived_at` is a time of the database's clock."""

    user_id: UUID
    question_id: UUID
    answer: str
    arrived_at: datetime
    lag_ms: int
    """The round trip to the player as the server measured it."""


# `game` is locked against the transaction that closes a question, not against other batches. Rows are inserted in one
# order, so that two processes with answers of the same players wait for each other, and do not deadlock.
_STORE = DriverText(
    text(
        f"""
        WITH game AS (
            SELECT id, lobby_id, coalesce(paused_status, status) AS status, paused_at FROM games
            WHERE id = :game_id FOR SHARE
        ), sent AS (
            SELECT * FROM unnest(:user_ids, :question_ids, :answers, :arrived_at, :lags)
                WITH ORDINALITY AS sent (user_id, question_id, answer, arrived_at, lag_ms, number)
        ), checked AS (
            SELECT sent.number, sent.answer, part.id AS participant_id, question.id AS question_id,
                question.correct_answer = sent.answer AS is_correct,
                greatest(floor(extract(epoch FROM sent.arrived_at - question.opens_at) * 1000), 0)::integer
                    AS milliseconds,
                least(sent.lag_ms, {LAG_PER_QUESTION}, CASE WHEN sent.lag_ms > 0 THEN {LAG_PER_GAME} - (
                    SELECT coalesce(sum(given.lag_credit_ms), 0) FROM answers AS given
                    WHERE given.participant_id = part.id
                ) END)::integer AS lag_credit_ms,
                CASE
                    WHEN seat.id IS NULL THEN 'not a player'
                    WHEN question.id IS NULL THEN 'unknown question'
                    WHEN question.closed_at IS NOT NULL THEN 'closed'
                    WHEN sent.arrived_at > game.paused_at THEN 'not open'
                    WHEN sent.arrived_at > question.closes_at THEN 'closed'
                    WHEN game.status <> 'question' OR question.order_index < part.first_question
                        OR question.opens_at IS NULL OR sent.arrived_at < question.opens_at THEN 'not open'
                    WHEN NOT question.options @> to_jsonb(sent.answer) THEN 'not an option'
                    ELSE 'accepted'
                END AS verdict
            FROM sent
            LEFT JOIN game ON true
            LEFT JOIN game_participants AS part ON part.game_id = game.id AND part.user_id = sent.user_id
            LEFT JOIN lobby_players AS seat ON seat.lobby_id = game.lobby_id AND seat.user_id = part.user_id
            LEFT JOIN questions AS question ON question.game_id = game.id AND question.id = sent.question_id
        ), stored AS (
            INSERT INTO answers (
                participant_id, question_id, answer, is_correct, time_taken_ms, lag_credit_ms, submitted_at
            )
            SELECT DISTINCT ON (participant_id, question_id)
                checked.participant_id, checked.question_id, checked.answer, checked.is_correct,
                greatest(checked.milliseconds - checked.lag_credit_ms, 0),
                least(checked.lag_credit_ms, checked.milliseconds), sent.arrived_at
            FROM checked JOIN sent ON sent.number = checked.number WHERE checked.verdict = 'accepted'
            ORDER BY participant_id, question_id, checked.number
            ON CONFLICT (participant_id, question_id) DO NOTHING
            RETURNING participant_id, question_id, answer, time_taken_ms
        )
        SELECT checked.verdict, checked.participant_id, (SELECT lobby_id FROM game) AS lobby_id,
            coalesce(stored.answer, earlier.answer) AS standing,
            coalesce(stored.time_taken_ms, earlier.time_taken_ms) AS time_taken_ms,
            stored.answer IS NOT NULL AS is_new
        FROM checked
        LEFT JOIN stored ON stored.participant_id = checked.participant_id
            AND stored.question_id = checked.question_id
        LEFT JOIN answers AS earlier ON earlier.participant_id = checked.participant_id
            AND earlier.question_id = checked.question_id
        ORDER BY checked.number
        """
    ).bindparams(
        bindparam("game_id", type_=Uuid()),
        bindparam("user_ids", type_=ARRAY(Uuid())),
        bindparam("question_ids", type_=ARRAY(Uuid())),
        bindparam("answers", type_=ARRAY(Text())),
        bindparam("arrived_at", type_=ARRAY(TIMESTAMP(timezone=True))),
        bindparam("lags", type_=ARRAY(Integer())),
    )
)

_FIND_STANDING = DriverText(
    text(
        """
        SELECT answer AS standing, time_taken_ms FROM answers
        WHERE participant_id = :participant_id AND question_id = :question_id
        """
    ).bindparams(bindparam("participant_id", type_=Uuid()), bindparam("question_id", type_=Uuid()))
)


async def store(
    database: Database, game_id: UUID, submissions: Sequence[Submission]
) -> "list[asyncpg.Record]":
    """Store the answers that count; gives a row for each: the `verdict`, and the answer that is `standing` with its
    `time_taken_ms`, null when another process stored one at this moment (`find_standing` has it then)."""
    return await database.fetch_records(
        _STORE,
        game_id=game_id,
        user_ids=[submission.user_id for submission in submissions],
        question_ids=[submission.question_id for submission in submissions],
        answers=[submission.answer for submission in submissions],
        arrived_at=[submission.arrived_at for submission in submissions],
        lags=[submission.lag_ms for submission in submissions],
    )


async def find_standing(
    database: Database, *, participant_id: UUID, question_id: UUID
) -> "asyncpg.Record | None":
    """A participant's answer to a question."""
    return await database.fetch_record(_FIND_STANDING, participant_id=participant_id, question_id=question_id)
