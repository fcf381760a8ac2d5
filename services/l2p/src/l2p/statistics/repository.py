"""The statements on a player's finished games."""
# ruff: noqa: S608 - composed of constants of this file; every value is a parameter

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Uuid, bindparam, func, select, text, tuple_

from dbcommon.driver_statements import DriverStatement, DriverText
from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_timestamp, prepare_page
from l2p.models import Game, GameParticipant, GameResult, Question, RatingChange

LISTED_CHANGES = 100

_UTC = '\'YYYY-MM-DD"T"HH24\\:MI\\:SS.US"Z"\''

# Right answers in a row have the same difference between a question's number and theirs.
_STATISTICS = DriverText(
    text(
        f"""
        WITH played AS (
            SELECT participant_id, game_id, ended_at, score, rank, player_count FROM game_results
            WHERE user_id = :user_id
        ), given AS (
            SELECT played.participant_id, question.order_index, answer.is_correct, answer.time_taken_ms
            FROM played JOIN answers AS answer ON answer.participant_id = played.participant_id
            JOIN questions AS question ON question.id = answer.question_id
        ), streaks AS (
            SELECT count(*) AS length FROM (
                SELECT participant_id, order_index - row_number() OVER (
                    PARTITION BY participant_id ORDER BY order_index
                ) AS streak
                FROM given WHERE is_correct
            ) AS correct GROUP BY participant_id, streak
        ), changes AS (
            SELECT played.game_id, played.ended_at, change.rating_before, change.rating
            FROM played JOIN rating_changes AS change ON change.participant_id = played.participant_id
            ORDER BY played.ended_at DESC, played.game_id DESC LIMIT {LISTED_CHANGES}
        ), games AS (
            SELECT count(*) AS played, count(*) FILTER (WHERE rank = 1 AND player_count > 1) AS won,
                coalesce(sum(score), 0) AS score
            FROM played
        ), answered AS (
            SELECT count(*) AS number, count(*) FILTER (WHERE is_correct) AS correct,
                coalesce(round(avg(time_taken_ms)), 0) AS time_taken_ms
            FROM given
        )
        SELECT json_build_object(
            'games_played', games.played, 'games_won', games.won,
            'win_rate', coalesce(games.won::float8 / nullif(games.played, 0), 0),
            'questions_answered', answered.number, 'correct_answers', answered.correct,
            'accuracy', coalesce(answered.correct::float8 / nullif(answered.number, 0), 0),
            'average_time_ms', answered.time_taken_ms,
            'best_streak', (SELECT coalesce(max(length), 0) FROM streaks),
            'total_score', games.score, 'rating', player.rating,
            'rating_history', (
                SELECT coalesce(json_agg(json_build_object(
                    'game_id', game_id, 'ended_at', to_char(ended_at AT TIME ZONE 'UTC', {_UTC}),
                    'rating_before', rating_before, 'rating', rating
                ) ORDER BY ended_at, game_id), '[]') FROM changes
            )
        )::text AS item
        FROM users AS player CROSS JOIN games CROSS JOIN answered WHERE player.id = :user_id
        """
    ).bindparams(bindparam("user_id", type_=Uuid()))
)

_QUESTION_COUNT = select(func.count()).where(Question.game_id == Game.id).correlate(Game).scalar_subquery()
_GAME = json_item(
    game_id=Game.id,
    started_at=json_timestamp(Game.started_at),
    ended_at=json_timestamp(GameResult.ended_at),
    question_count=_QUESTION_COUNT,
    player_count=GameResult.player_count,
    rank=GameResult.rank,
    score=GameResult.score,
    correct_answers=GameParticipant.correct_answers,
    rating_before=RatingChange.rating_before,
    rating=RatingChange.rating,
)


@dataclass(frozen=True, kw_only=True)
class GamePosition:
    """A position in a player's games: after the game with these values."""

    ended_at: datetime
    id: UUID


async def find_statistics(database: Database, user_id: UUID) -> str | None:
    """The JSON of `Statistics`; None without such a player."""
    record = await database.fetch_record(_STATISTICS, user_id=user_id)
    return None if record is None else str(record["item"])


async def find_games(
    database: Database, user_id: UUID, *, after: GamePosition | None, limit: int
) -> "asyncpg.Record":
    """The player's finished games, newest first: a page of the JSON of `PlayedGame`."""
    parameters: dict[str, Any] = {"user_id": user_id, "limit": limit}
    if after is not None:
        parameters |= {"after_time": after.ended_at, "after_id": after.id}
    return await database.fetch_page(_prepare_page(is_first=after is None), **parameters)


@cache
def _prepare_page(*, is_first: bool) -> DriverStatement:
    statement = (
        select(_GAME, GameResult.ended_at, GameResult.game_id)
        .join(Game, Game.id == GameResult.game_id)
        .join(GameParticipant, GameParticipant.id == GameResult.participant_id)
        .outerjoin(RatingChange, RatingChange.participant_id == GameResult.participant_id)
        .where(GameResult.user_id == bindparam("user_id", type_=Uuid()))
    )
    if not is_first:
        last = bindparam("after_time", type_=GameResult.ended_at.type), bindparam("after_id", type_=Uuid())
        statement = statement.where(tuple_(GameResult.ended_at, GameResult.game_id) < tuple_(*last))
    return prepare_page(statement.order_by(GameResult.ended_at.desc(), GameResult.game_id.desc()))
