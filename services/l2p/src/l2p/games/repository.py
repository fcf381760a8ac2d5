"""The statements that start a game, and read its results and its history."""
# ruff: noqa: S608 - composed of constants of this file; every value is a parameter

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import BigInteger, Boolean, Integer, Row, Uuid, bindparam, insert, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.driver_statements import DriverText
from dbcommon.engine import Database
from l2p.lobbies.schemas import LobbySettings
from l2p.models import IS_RUNNING, Game, Question


@dataclass(frozen=True, kw_only=True)
class NewGame:
    """A game to be stored. `lease_holder` is the process that drives it first."""

    id: UUID
    lobby_id: UUID
    settings: dict[str, Any]
    starting_ms: int
    lease_holder: UUID


_INSERT = text(
    """
    INSERT INTO games (id, lobby_id, status, settings, started_at, phase_ends_at,
        lease_holder, lease_epoch, lease_until)
    SELECT :id, :lobby_id, 'starting', :settings, moment, moment + :starting_ms * interval '1 ms',
        :lease_holder, 1, moment + interval '3 s'
    FROM clock_timestamp() AS moment
    RETURNING to_char(phase_ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24\\:MI\\:SS.US"Z"') AS phase_ends_at
    """
).bindparams(
    bindparam("id", type_=Uuid()),
    bindparam("lobby_id", type_=Uuid()),
    bindparam("settings", type_=JSONB()),
    bindparam("lease_holder", type_=Uuid()),
)

_INSERT_PARTICIPANTS = text(
    """
    INSERT INTO game_participants (game_id, user_id)
    SELECT :game_id, user_id FROM lobby_players WHERE lobby_id = :lobby_id ORDER BY joined_at, id
    """
).bindparams(bindparam("game_id", type_=Uuid()), bindparam("lobby_id", type_=Uuid()))

_COPY_QUESTIONS = text(
    """
    WITH copied AS (
        INSERT INTO questions (game_id, order_index, question_text, options, correct_answer, points, explanation,
            time_limit_ms)
        SELECT :game_id, row_number() OVER (ORDER BY position) - 1, question_text, options, correct_answer, points,
            explanation, coalesce(time_limit_ms, :time_limit_ms)
        FROM (
            SELECT question.*, CASE WHEN :shuffle THEN random() ELSE order_index END AS position
            FROM set_questions AS question JOIN question_sets AS source ON source.id = question.question_set_id
            WHERE source.id = :set_id AND (source.is_public OR source.owner_id = ANY(:owner_ids))
            ORDER BY position LIMIT :most
        ) AS chosen
        RETURNING id
    )
    SELECT count(*) FROM copied
    """
).bindparams(
    bindparam("game_id", type_=Uuid()),
    bindparam("set_id", type_=Uuid()),
    bindparam("owner_ids", type_=ARRAY(Uuid())),
    bindparam("shuffle", type_=Boolean()),
    bindparam("most", type_=BigInteger()),
    bindparam("time_limit_ms", type_=Integer()),
)

_COUNT_SEATS = text(
    "SELECT count(*) AS seats, count(*) FILTER (WHERE NOT is_ready) AS unready FROM lobby_players WHERE lobby_id = :lobby_id"
).bindparams(bindparam("lobby_id", type_=Uuid()))

# The host and the participants of a `game`.
MAY_SEE = """
    (EXISTS (SELECT FROM game_participants AS part WHERE part.game_id = game.id AND part.user_id = :user_id)
     OR EXISTS (SELECT FROM lobbies AS lobby WHERE lobby.id = game.lobby_id AND :user_id IN (lobby.host_id, lobby.creator_id)))
"""

_RESULT_ANSWERS = """
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'order_index', question.order_index, 'answer', given.answer,
        'is_correct', coalesce(given.is_correct, false), 'time_taken_ms', given.time_taken_ms,
        'points', result.points
    ) ORDER BY question.order_index), '[]')
    FROM question_results AS result JOIN questions AS question ON question.id = result.question_id
    LEFT JOIN answers AS given
        ON given.question_id = result.question_id AND given.participant_id = result.participant_id
    WHERE result.participant_id = ranked.id
"""

_RESULTS = DriverText(
    text(
        f"""
        SELECT game.status, (
            SELECT coalesce(jsonb_agg(jsonb_build_object(
                'rank', ranked.rank, 'user_id', ranked.user_id, 'username', ranked.username, 'score', ranked.score,
                'correct_answers', ranked.correct_answers, 'rating_before', ranked.rating_before,
                'rating', ranked.rating, 'answers', ({_RESULT_ANSWERS})
            ) ORDER BY ranked.rank, ranked.username, ranked.id), '[]')::text
            FROM (
                SELECT part.id, part.user_id, coalesce(player.username, player.nickname) AS username,
                    part.score, part.correct_answers,
                    rank() OVER (ORDER BY part.score DESC) AS rank, change.rating_before, change.rating
                FROM game_participants AS part LEFT JOIN users AS player ON player.id = part.user_id
                LEFT JOIN rating_changes AS change ON change.participant_id = part.id
                WHERE part.game_id = game.id
            ) AS ranked
        ) AS items
        FROM games AS game WHERE game.id = :game_id AND {MAY_SEE}
        """
    ).bindparams(bindparam("game_id", type_=Uuid()), bindparam("user_id", type_=Uuid()))
)

_PLAYED_ANSWERS = """
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'user_id', part.user_id, 'username', coalesce(player.username, player.nickname), 'answer', given.answer,
        'is_correct', coalesce(given.is_correct, false), 'time_taken_ms', given.time_taken_ms,
        'points', result.points
    ) ORDER BY result.rank, coalesce(player.username, player.nickname), part.id), '[]')
    FROM question_results AS result JOIN game_participants AS part ON part.id = result.participant_id
    LEFT JOIN users AS player ON player.id = part.user_id
    LEFT JOIN answers AS given ON given.question_id = question.id AND given.participant_id = part.id
    WHERE result.question_id = question.id
"""

_PLAYED = DriverText(
    text(
        f"""
        SELECT (
            SELECT coalesce(jsonb_agg(jsonb_build_object(
                'id', question.id, 'order_index', question.order_index, 'question_text', question.question_text,
                'options', question.options, 'correct_answer', question.correct_answer,
                'explanation', question.explanation, 'points', question.points, 'answers', ({_PLAYED_ANSWERS})
            ) ORDER BY question.order_index), '[]')::text
            FROM questions AS question WHERE question.game_id = game.id AND question.closed_at IS NOT NULL
        ) AS items
        FROM games AS game WHERE game.id = :game_id AND {MAY_SEE}
        """
    ).bindparams(bindparam("game_id", type_=Uuid()), bindparam("user_id", type_=Uuid()))
)


async def find_running(db: AsyncSession, lobby_id: UUID) -> UUID | None:
    """The running game of a lobby."""
    statement = select(Game.id).where(Game.lobby_id == lobby_id, IS_RUNNING)
    return (await db.execute(statement)).scalar_one_or_none()


async def count_seats(db: AsyncSession, lobby_id: UUID) -> Row[Any]:
    """The `seats` that are taken in a lobby, and how many of their players are `unready`."""
    return (await db.execute(_COUNT_SEATS, {"lobby_id": lobby_id})).one()


async def insert_game(db: AsyncSession, game: NewGame) -> str:
    """Store a game, and each player of the lobby as a participant; gives when it leaves `starting`."""
    parameters = {
        "id": game.id,
        "lobby_id": game.lobby_id,
        "settings": game.settings,
        "starting_ms": game.starting_ms,
        "lease_holder": game.lease_holder,
    }
    starts_at: str = (await db.execute(_INSERT, parameters)).scalar_one()
    await db.execute(_INSERT_PARTICIPANTS, {"game_id": game.id, "lobby_id": game.lobby_id})
    return starts_at


async def insert_questions(db: AsyncSession, game_id: UUID, questions: Sequence[dict[str, Any]]) -> None:
    """Store the questions of a game."""
    await db.execute(insert(Question), [{"game_id": game_id, **question} for question in questions])


async def copy_questions(
    db: AsyncSession, game_id: UUID, set_id: UUID, *, owner_ids: Sequence[UUID], settings: LobbySettings
) -> int:
    """Copy the questions of a set into a game, if the set is public or belongs to one of these players; gives their number."""
    parameters = {
        "game_id": game_id,
        "set_id": set_id,
        "owner_ids": owner_ids,
        "shuffle": settings.shuffle,
        "most": settings.question_count,
        "time_limit_ms": settings.time_limit_ms,
    }
    number: int = (await db.execute(_COPY_QUESTIONS, parameters)).scalar_one()
    return number


async def find_results(database: Database, game_id: UUID, *, user_id: UUID) -> "asyncpg.Record | None":
    """The `status` of a game and the JSON of its ranking, for its host and its participants."""
    return await database.fetch_record(_RESULTS, game_id=game_id, user_id=user_id)


async def find_played(database: Database, game_id: UUID, *, user_id: UUID) -> str | None:
    """The JSON of a game's closed questions, for its host and its participants."""
    record = await database.fetch_record(_PLAYED, game_id=game_id, user_id=user_id)
    return None if record is None else str(record["items"])
