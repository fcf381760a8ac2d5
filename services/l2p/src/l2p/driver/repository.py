"""The statements by which the holder of a lease drives a game. Each is fenced by the lease's epoch."""
# ruff: noqa: S608 - composed of constants of this file; every value is a parameter

from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Integer, Row, Text, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.driver_statements import DriverText
from dbcommon.engine import Database
from l2p.running_games.repository import reopen_lobby
from l2p.scoring.repository import count_scores

_UTC = '\'YYYY-MM-DD"T"HH24\\:MI\\:SS.US"Z"\''

_LOCK_LOBBY = text("SELECT status, host_id FROM lobbies WHERE id = :lobby_id FOR NO KEY UPDATE").bindparams(
    bindparam("lobby_id", type_=Uuid())
)

_LOCK_GAME = (
    text(
        """
    SELECT game.id, game.lobby_id, game.status, game.current_question, game.settings, game.phase_ends_at,
        game.paused_status, game.paused_at, game.lease_epoch,
        (SELECT count(*) FROM questions WHERE questions.game_id = game.id) AS question_count,
        clock_timestamp() AS now
    FROM games AS game
    WHERE game.id = :game_id AND game.status NOT IN ('finished', 'aborted')
        AND (:epoch IS NULL OR (
            game.lease_epoch = :epoch AND game.lease_holder = :holder
            -- Renewed within 2.5 s: else the database was away, and that time is to be given back first.
            AND game.lease_until > clock_timestamp() + interval '0.5 s'
        ))
    FOR UPDATE
    """
    )
    .bindparams(
        bindparam("game_id", type_=Uuid()),
        bindparam("epoch", type_=Integer()),
        bindparam("holder", type_=Uuid()),
    )
    .columns(
        id=Uuid(),
        lobby_id=Uuid(),
        status=Text(),
        current_question=Integer(),
        settings=JSONB(),
        phase_ends_at=TIMESTAMP(timezone=True),
        paused_status=Text(),
        paused_at=TIMESTAMP(timezone=True),
        lease_epoch=Integer(),
        question_count=Integer(),
        now=TIMESTAMP(timezone=True),
    )
)

_OPEN = (
    text(
        f"""
    WITH opened AS (
        UPDATE questions SET opens_at = moment + :read_ms * interval '1 ms',
            closes_at = moment + (:read_ms + time_limit_ms) * interval '1 ms'
        FROM clock_timestamp() AS moment
        WHERE game_id = :game_id AND order_index = :order_index
        RETURNING id, question_text, options, points, order_index, time_limit_ms, opens_at, closes_at
    ), moved AS (
        UPDATE games SET status = 'question', current_question = :order_index, phase_ends_at = opened.closes_at
        FROM opened WHERE games.id = :game_id
    )
    SELECT jsonb_build_object(
        'id', id, 'question_text', question_text, 'options', options, 'points', points,
        'order_index', order_index, 'time_limit_ms', time_limit_ms,
        'opens_at', to_char(opens_at AT TIME ZONE 'UTC', {_UTC}),
        'closes_at', to_char(closes_at AT TIME ZONE 'UTC', {_UTC})
    ) AS data FROM opened
    """
    )
    .bindparams(
        bindparam("game_id", type_=Uuid()),
        bindparam("read_ms", type_=Integer()),
        bindparam("order_index", type_=Integer()),
    )
    .columns(data=JSONB())
)

_CLOSED_DATA = (
    text(
        """
    SELECT jsonb_build_object(
        'question_id', question.id, 'order_index', question.order_index,
        'correct_answer', question.correct_answer, 'explanation', question.explanation,
        'spread', (
            SELECT jsonb_agg(jsonb_build_object('option', choice.option, 'count', (
                SELECT count(*) FROM answers WHERE answers.question_id = question.id AND answers.answer = choice.option
            )) ORDER BY choice.number)
            FROM jsonb_array_elements_text(question.options) WITH ORDINALITY AS choice (option, number)
        ),
        'scores', (
            SELECT coalesce(jsonb_agg(to_jsonb(listed) ORDER BY listed.rank, listed.username), '[]')
            FROM (
                SELECT part.user_id, coalesce(player.username, player.nickname) AS username,
                    result.score, result.points, result.rank
                FROM question_results AS result
                JOIN game_participants AS part ON part.id = result.participant_id
                LEFT JOIN users AS player ON player.id = part.user_id
                WHERE result.question_id = question.id ORDER BY result.rank, username LIMIT 10
            ) AS listed
        )
    ) AS data
    FROM questions AS question WHERE question.game_id = :game_id AND question.order_index = :order_index
    """
    )
    .bindparams(bindparam("game_id", type_=Uuid()), bindparam("order_index", type_=Integer()))
    .columns(data=JSONB())
)

_REVEAL = text(
    """
    UPDATE games SET status = 'reveal',
        phase_ends_at = CASE WHEN settings ->> 'advance' = 'host' THEN NULL
            ELSE clock_timestamp() + (settings ->> 'reveal_ms')::integer * interval '1 ms' END
    WHERE id = :game_id
    """
).bindparams(bindparam("game_id", type_=Uuid()))

_FINISH = text(
    """
    WITH ranked AS (
        SELECT id, rank() OVER (ORDER BY score DESC) AS rank FROM game_participants WHERE game_id = :game_id
    ), placed AS (
        UPDATE game_participants AS part SET rank = ranked.rank FROM ranked WHERE part.id = ranked.id
    )
    UPDATE games SET status = :status, ended_at = clock_timestamp(), phase_ends_at = NULL, lease_holder = NULL,
        lease_until = NULL, paused_status = NULL, paused_at = NULL
    WHERE id = :game_id
    """
).bindparams(bindparam("game_id", type_=Uuid()))

_PODIUM = (
    text(
        """
    SELECT coalesce(jsonb_agg(to_jsonb(listed) ORDER BY listed.rank, listed.username), '[]') AS data
    FROM (
        SELECT part.user_id, coalesce(player.username, player.nickname) AS username,
            part.score, part.correct_answers, part.rank,
            change.rating_before, change.rating
        FROM game_participants AS part LEFT JOIN users AS player ON player.id = part.user_id
        LEFT JOIN rating_changes AS change ON change.participant_id = part.id
        WHERE part.game_id = :game_id ORDER BY part.rank, username LIMIT 10
    ) AS listed
    """
    )
    .bindparams(bindparam("game_id", type_=Uuid()))
    .columns(data=JSONB())
)

_SHIFT = (
    text(
        f"""
    WITH span AS (
        -- The driver was alive when the question was shown, though its last heartbeat may be older.
        SELECT clock_timestamp() - greatest(:since, max(
            question.opens_at - coalesce((game.settings ->> 'read_ms')::integer, 0) * interval '1 ms'
        )) AS pause
        FROM games AS game LEFT JOIN questions AS question
            ON question.game_id = game.id AND question.opens_at IS NOT NULL AND question.closed_at IS NULL
        WHERE game.id = :game_id
    ), shifted AS (
        UPDATE questions SET opens_at = opens_at + span.pause, closes_at = closes_at + span.pause
        FROM span WHERE game_id = :game_id AND opens_at IS NOT NULL AND closed_at IS NULL
        RETURNING id, opens_at, closes_at
    ), moved AS (
        UPDATE games SET status = coalesce(paused_status, status), paused_status = NULL, paused_at = NULL,
            pause_reason = NULL, phase_ends_at = phase_ends_at + span.pause
        FROM span WHERE games.id = :game_id RETURNING games.phase_ends_at
    )
    SELECT jsonb_build_object(
        'game_id', CAST(:game_id AS uuid),
        'paused_ms', round(extract(epoch FROM span.pause) * 1000)::bigint,
        'phase_ends_at', to_char(moved.phase_ends_at AT TIME ZONE 'UTC', {_UTC}),
        'question_id', shifted.id,
        'opens_at', to_char(shifted.opens_at AT TIME ZONE 'UTC', {_UTC}),
        'closes_at', to_char(shifted.closes_at AT TIME ZONE 'UTC', {_UTC})
    ) AS data
    FROM span CROSS JOIN moved LEFT JOIN shifted ON true
    """
    )
    .bindparams(bindparam("game_id", type_=Uuid()), bindparam("since", type_=TIMESTAMP(timezone=True)))
    .columns(data=JSONB())
)

_PAUSE = (
    text(
        """
    UPDATE games SET paused_status = status, status = 'paused', paused_at = clock_timestamp(),
        pause_reason = :reason
    WHERE id = :game_id
    RETURNING jsonb_build_object(
        'game_id', id, 'reason', pause_reason, 'paused_status', paused_status,
        'remaining_ms', greatest(round(extract(epoch FROM phase_ends_at - paused_at) * 1000), 0)::bigint
    ) AS data
    """
    )
    .bindparams(bindparam("game_id", type_=Uuid()), bindparam("reason", type_=Text()))
    .columns(data=JSONB())
)

# The log itself says which answers were told of.
_UNTOLD_PARTS = """
    answers AS given JOIN game_participants AS part ON part.id = given.participant_id
    WHERE given.question_id = question.id AND part.user_id::text NOT IN (
        SELECT jsonb_array_elements_text(event.data -> 'user_ids') FROM lobby_events AS event
        WHERE event.lobby_id = game.lobby_id AND event.type = 'answer.received'
            AND event.seq > (
                SELECT max(seq) FROM lobby_events AS opened
                WHERE opened.lobby_id = game.lobby_id AND opened.type = 'question.opened'
            )
    )
"""

_UNTOLD = (
    text(
        f"""
    SELECT question.id AS question_id,
        (SELECT count(*) FROM answers WHERE answers.question_id = question.id) AS answered,
        (SELECT coalesce(jsonb_agg(part.user_id), '[]') FROM {_UNTOLD_PARTS}) AS user_ids
    FROM games AS game JOIN questions AS question
        ON question.game_id = game.id AND question.order_index = game.current_question
    WHERE game.id = :game_id AND question.closed_at IS NULL
    """
    )
    .bindparams(bindparam("game_id", type_=Uuid()))
    .columns(question_id=Uuid(), answered=Integer(), user_ids=JSONB())
)

# Of the game in question.
_EVERYBODY_ANSWERED = """
    SELECT count(*) > 0 AND bool_and(EXISTS (
        SELECT FROM answers JOIN questions AS question ON question.id = answers.question_id
        WHERE answers.participant_id = part.id AND question.order_index = game.current_question
    ))
    FROM game_participants AS part
    JOIN lobby_players AS seat ON seat.lobby_id = game.lobby_id AND seat.user_id = part.user_id
    WHERE part.game_id = game.id AND part.first_question <= game.current_question AND (EXISTS (
        SELECT FROM lobby_connections AS open JOIN processes ON processes.id = open.process_id
        WHERE open.lobby_id = game.lobby_id AND open.user_id = part.user_id
            AND processes.heartbeat_at > clock_timestamp() - interval '6 s'
    ) OR EXISTS (
        SELECT FROM lobby_presence AS presence
        WHERE presence.lobby_id = game.lobby_id AND presence.user_id = part.user_id
            AND presence.seen_until > clock_timestamp()
    ))
"""

_ALL_ANSWERED = text(
    f"SELECT ({_EVERYBODY_ANSWERED}) FROM games AS game WHERE game.id = :game_id"
).bindparams(bindparam("game_id", type_=Uuid()))

_LOOK = DriverText(
    text(
        f"""
        SELECT game.status, game.phase_ends_at,
            question.id IS NOT NULL AND EXISTS (SELECT FROM {_UNTOLD_PARTS}) AS has_untold,
            question.id IS NOT NULL AND ({_EVERYBODY_ANSWERED}) AS all_answered
        FROM games AS game LEFT JOIN questions AS question
            ON question.game_id = game.id AND question.order_index = game.current_question
                AND question.closed_at IS NULL AND game.status = 'question'
        WHERE game.id = :game_id AND game.status NOT IN ('finished', 'aborted')
            AND game.lease_epoch = :epoch AND game.lease_holder = :holder
        """
    ).bindparams(
        bindparam("game_id", type_=Uuid()),
        bindparam("epoch", type_=Integer()),
        bindparam("holder", type_=Uuid()),
    )
)


async def lock_lobby(db: AsyncSession, lobby_id: UUID) -> Row[Any] | None:
    """Lock a lobby before its game, as every change of either does."""
    return (await db.execute(_LOCK_LOBBY, {"lobby_id": lobby_id})).one_or_none()


async def lock_game(
    db: AsyncSession, game_id: UUID, *, epoch: int | None = None, holder: UUID | None = None
) -> Row[Any] | None:
    """Lock a running game; None when it is over, or when the lease is another's. Without an epoch, whoever drives it."""
    parameters = {"game_id": game_id, "epoch": epoch, "holder": holder}
    return (await db.execute(_LOCK_GAME, parameters)).one_or_none()


async def look(database: Database, game_id: UUID, *, epoch: int, holder: UUID) -> "asyncpg.Record | None":
    """Without a lock: the phase of a running game of this lease, whether the log does not tell of an answer to its open
    question, and whether everybody has answered that."""
    return await database.fetch_record(_LOOK, game_id=game_id, epoch=epoch, holder=holder)


async def open_question(db: AsyncSession, game_id: UUID, *, order_index: int, read_ms: int) -> dict[str, Any]:
    """Show a question; gives it as players see it."""
    parameters = {"game_id": game_id, "order_index": order_index, "read_ms": read_ms}
    shown: dict[str, Any] = (await db.execute(_OPEN, parameters)).scalar_one()
    return shown


async def close_question(db: AsyncSession, game: Row[Any]) -> dict[str, Any]:
    """Close the current question, count its scores, and begin the reveal; gives the event's data."""
    parameters = {"game_id": game.id, "order_index": game.current_question}
    await count_scores(db, game)
    await db.execute(_REVEAL, {"game_id": game.id})
    data: dict[str, Any] = (await db.execute(_CLOSED_DATA, parameters)).scalar_one()
    return data


async def finish(db: AsyncSession, game: Row[Any], *, status: str) -> list[dict[str, Any]]:
    """End a game with its final ranks, and reopen its lobby; gives the podium."""
    await db.execute(_FINISH, {"game_id": game.id, "status": status})
    await reopen_lobby(db, game.lobby_id)
    podium: list[dict[str, Any]] = (await db.execute(_PODIUM, {"game_id": game.id})).scalar_one()
    return podium


async def pause(db: AsyncSession, game_id: UUID, *, reason: str) -> dict[str, Any]:
    """Pause a running game; gives the event's data. `remaining_ms` is null while the host decides."""
    data: dict[str, Any] = (await db.execute(_PAUSE, {"game_id": game_id, "reason": reason})).scalar_one()
    return data


async def resume(db: AsyncSession, game_id: UUID, *, since: object) -> dict[str, Any]:
    """Move the phase by the time since then, and end a pause; gives the event's data."""
    data: dict[str, Any] = (await db.execute(_SHIFT, {"game_id": game_id, "since": since})).scalar_one()
    return data


async def find_untold_answers(db: AsyncSession, game: Row[Any]) -> Row[Any] | None:
    """The open question's `question_id`, how many have `answered`, and the `user_ids` that the log does not tell of."""
    return (await db.execute(_UNTOLD, {"game_id": game.id})).one_or_none()


async def have_all_answered(db: AsyncSession, game_id: UUID) -> bool:
    """Whether somebody is connected, and everybody who is has answered the open question."""
    return bool((await db.execute(_ALL_ANSWERED, {"game_id": game_id})).scalar_one())
