"""The statement that reads a lobby and its running game as JSON, with the `seq` of the log that it is true at."""
# ruff: noqa: S608 - composed of constants of this file; every value is a parameter

from uuid import UUID

import asyncpg
from sqlalchemy import Uuid, bindparam, text

from dbcommon.driver_statements import DriverText
from dbcommon.engine import Database
from l2p.lobbies.repository import LISTED_PLAYERS
from l2p.lobbies.schemas import LobbySettings

LISTED_SCORES = 10

# A colon in a text would begin a parameter.
_DEFAULTS = LobbySettings().model_dump_json().replace(":", r"\:")


def _utc(column: str) -> str:
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24\\:MI\\:SS.US"Z"')"""


_QUESTION = f"""
    SELECT jsonb_build_object(
        'id', question.id, 'question_text', question.question_text, 'options', question.options,
        'points', question.points, 'order_index', question.order_index,
        'time_limit_ms', question.time_limit_ms,
        'opens_at', {_utc("question.opens_at")}, 'closes_at', {_utc("question.closes_at")}
    )
    FROM questions AS question
    WHERE question.game_id = game.id AND question.order_index = game.current_question
        AND question.opens_at IS NOT NULL AND question.closed_at IS NULL
"""

_SCORES = f"""
    SELECT coalesce(jsonb_agg(to_jsonb(ranked) ORDER BY ranked.rank, ranked.username), '[]')
    FROM (
        SELECT part.user_id, coalesce(player.username, player.nickname) AS username,
            part.score, part.correct_answers,
            rank() OVER (ORDER BY part.score DESC) AS rank
        FROM game_participants AS part LEFT JOIN users AS player ON player.id = part.user_id
        WHERE part.game_id = game.id ORDER BY part.score DESC, username LIMIT {LISTED_SCORES}
    ) AS ranked
"""

_YOU = """
    SELECT jsonb_build_object(
        'score', part.score, 'correct_answers', part.correct_answers, 'streak', part.streak,
        'rank', (SELECT 1 + count(*) FROM game_participants AS other
                 WHERE other.game_id = game.id AND other.score > part.score),
        'answer', (SELECT given.answer FROM answers AS given JOIN questions AS question ON question.id = given.question_id
                   WHERE given.participant_id = part.id AND question.order_index = game.current_question
                       AND question.closed_at IS NULL)
    )
    FROM game_participants AS part WHERE part.game_id = game.id AND part.user_id = :user_id
"""

_GAME = f"""
    jsonb_build_object(
        'id', game.id, 'lobby_id', game.lobby_id, 'host_id', lobby.host_id, 'status', game.status,
        'paused_status', game.paused_status, 'current_question', game.current_question,
        'question_count', (SELECT count(*) FROM questions AS question WHERE question.game_id = game.id),
        'phase_ends_at', {_utc("game.phase_ends_at")}, 'started_at', {_utc("game.started_at")},
        'ended_at', {_utc("game.ended_at")}, 'question', ({_QUESTION}),
        'participant_count',
            (SELECT count(*) FROM game_participants AS part WHERE part.game_id = game.id),
        'scores', ({_SCORES}), 'you', ({_YOU}), 'server_time', {_utc("clock_timestamp()")}
    )
"""

_PLAYERS = f"""
    SELECT coalesce(jsonb_agg(seated.item ORDER BY seated.joined_at, seated.id), '[]')
    FROM (
        SELECT seat.id, seat.joined_at, jsonb_build_object(
            'user_id', player.id, 'username', coalesce(player.username, player.nickname), 'rating', player.rating,
            'is_ready', seat.is_ready, 'joined_at', {_utc("seat.joined_at")}
        ) AS item
        FROM lobby_players AS seat JOIN users AS player ON player.id = seat.user_id
        WHERE seat.lobby_id = lobby.id ORDER BY seat.joined_at, seat.id LIMIT {LISTED_PLAYERS}
    ) AS seated
"""

_LOBBY = f"""
    jsonb_build_object(
        'id', lobby.id, 'name', lobby.name, 'code', lobby.code, 'status', lobby.status,
        'creator_id', lobby.creator_id, 'host_id', lobby.host_id, 'max_players', lobby.max_players,
        'player_count', (SELECT count(*) FROM lobby_players AS seat WHERE seat.lobby_id = lobby.id),
        'settings', '{_DEFAULTS}'::jsonb || lobby.settings, 'created_at', {_utc("lobby.created_at")},
        'game_id', (SELECT game.id FROM games AS game
                    WHERE game.lobby_id = lobby.id AND game.status NOT IN ('finished', 'aborted')),
        'players', ({_PLAYERS})
    )
"""

# Members, the host, and those who take part in a game of the lobby see a private one.
_MAY_SEE = """
    (NOT lobby.settings @> jsonb_build_object('is_private', true)
     OR lobby.host_id = :user_id
     OR EXISTS (SELECT FROM lobby_players AS seat WHERE seat.lobby_id = lobby.id AND seat.user_id = :user_id))
"""

_USER = bindparam("user_id", type_=Uuid())

_READ_LOBBY = DriverText(
    text(
        f"""
        SELECT clock_timestamp() AS read_at, lobby.stream, lobby.event_seq AS seq, lobby.status, ({_LOBBY})::text AS lobby,
            lobby.settings @> jsonb_build_object('is_private', true) AS is_private,
            lobby.host_id IS NOT DISTINCT FROM :user_id AS is_host,
            EXISTS (
                SELECT FROM lobby_players AS seat WHERE seat.lobby_id = lobby.id AND seat.user_id = :user_id
            ) AS has_seat,
            (SELECT ({_GAME})::text FROM games AS game
             WHERE game.lobby_id = lobby.id AND game.status NOT IN ('finished', 'aborted')) AS game
        FROM lobbies AS lobby WHERE lobby.id = :lobby_id AND {_MAY_SEE} AND NOT EXISTS (
            SELECT FROM lobby_bans AS ban WHERE ban.lobby_id = lobby.id AND ban.user_id = :user_id
        )
        """
    ).bindparams(_USER, bindparam("lobby_id", type_=Uuid()))
)

_READ_GAME = DriverText(
    text(
        f"""
        SELECT ({_GAME})::text AS game FROM games AS game JOIN lobbies AS lobby ON lobby.id = game.lobby_id
        WHERE game.id = :game_id AND (
            {_MAY_SEE}
            OR EXISTS (SELECT FROM game_participants AS part WHERE part.game_id = game.id AND part.user_id = :user_id)
        )
        """
    ).bindparams(_USER, bindparam("game_id", type_=Uuid()))
)


async def read_lobby(database: Database, lobby_id: UUID, *, user_id: UUID) -> "asyncpg.Record | None":
    """`stream`, `seq`, `status`, `is_private`, whether the user `is_host` or `has_seat`, the JSON texts `lobby` and `game`
    (null when none runs), and the database's time `read_at`, if the user may see them."""
    return await database.fetch_record(_READ_LOBBY, lobby_id=lobby_id, user_id=user_id)


async def read_game(database: Database, game_id: UUID, *, user_id: UUID) -> str | None:
    """The JSON of a game, if the user may see it."""
    record = await database.fetch_record(_READ_GAME, game_id=game_id, user_id=user_id)
    return None if record is None else str(record["game"])
