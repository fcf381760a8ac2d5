"""The statements of the live channel: own rows of receivers, processes, and connections."""

import json
from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from dbcommon.driver_statements import DriverText
from dbcommon.engine import Database

_OWN_RESULTS = DriverText(
    text(
        """
        SELECT part.user_id, jsonb_build_object(
            'answer', given.answer, 'is_correct', coalesce(given.is_correct, false),
            'time_taken_ms', given.time_taken_ms, 'points', result.points, 'score', result.score,
            'rank', result.rank, 'streak', result.streak
        )::text AS row
        FROM question_results AS result JOIN game_participants AS part ON part.id = result.participant_id
        LEFT JOIN answers AS given ON given.question_id = result.question_id AND given.participant_id = part.id
        WHERE result.question_id = :id AND part.user_id = ANY(:user_ids)
        """
    ).bindparams(bindparam("id", type_=Uuid()), bindparam("user_ids", type_=ARRAY(Uuid())))
)

_OWN_RANKS = DriverText(
    text(
        """
        SELECT part.user_id, jsonb_build_object(
            'score', part.score, 'correct_answers', part.correct_answers, 'rank', part.rank,
            'rating_before', change.rating_before, 'rating', change.rating
        )::text AS row
        FROM game_participants AS part LEFT JOIN rating_changes AS change ON change.participant_id = part.id
        WHERE part.game_id = :id AND part.user_id = ANY(:user_ids)
        """
    ).bindparams(bindparam("id", type_=Uuid()), bindparam("user_ids", type_=ARRAY(Uuid())))
)

_HEARTBEAT = DriverText(
    text(
        """
        INSERT INTO processes (id, heartbeat_at) VALUES (:process_id, clock_timestamp())
        ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at
        RETURNING xmax = 0 AS is_new
        """
    ).bindparams(bindparam("process_id", type_=Uuid()))
)

_FORGET_DEAD = DriverText(
    text("DELETE FROM processes WHERE heartbeat_at < clock_timestamp() - interval '60 s' RETURNING id")
)

_FORGET = DriverText(
    text("DELETE FROM processes WHERE id = :process_id RETURNING id").bindparams(
        bindparam("process_id", type_=Uuid())
    )
)

_CONNECT = DriverText(
    text(
        """
        INSERT INTO lobby_connections (process_id, lobby_id, user_id)
        SELECT :process_id, lobbies.id, users.id FROM unnest(:lobby_ids, :user_ids) AS open (lobby_id, user_id)
        JOIN lobbies ON lobbies.id = open.lobby_id JOIN users ON users.id = open.user_id
        ON CONFLICT DO NOTHING RETURNING lobby_id
        """
    ).bindparams(
        bindparam("process_id", type_=Uuid()),
        bindparam("lobby_ids", type_=ARRAY(Uuid())),
        bindparam("user_ids", type_=ARRAY(Uuid())),
    )
)

_DISCONNECT = DriverText(
    text(
        """
        DELETE FROM lobby_connections AS open USING unnest(:lobby_ids, :user_ids) AS gone (lobby_id, user_id)
        WHERE open.process_id = :process_id AND open.lobby_id = gone.lobby_id AND open.user_id = gone.user_id
        RETURNING open.lobby_id
        """
    ).bindparams(
        bindparam("process_id", type_=Uuid()),
        bindparam("lobby_ids", type_=ARRAY(Uuid())),
        bindparam("user_ids", type_=ARRAY(Uuid())),
    )
)

Connection = tuple[UUID, UUID]
"""A lobby and a user."""


async def find_own_rows(
    database: Database, *, event_type: str, data: str, user_ids: Collection[UUID]
) -> dict[UUID, str]:
    """The JSON of each user's own row of a `question.closed` or a `game.finished`."""
    event = json.loads(data)
    is_question = event_type == "question.closed"
    statement = _OWN_RESULTS if is_question else _OWN_RANKS
    identifier = UUID(event["question_id" if is_question else "game_id"])
    records = await database.fetch_records(statement, id=identifier, user_ids=list(user_ids))
    return {record["user_id"]: record["row"] for record in records}


async def store_heartbeat(database: Database, process_id: UUID) -> bool:
    """Say that a process runs. True when it was not known, so that no connection of it is stored."""
    record = await database.fetch_record(_HEARTBEAT, process_id=process_id)
    return record is not None and bool(record["is_new"])


async def forget_dead_processes(database: Database) -> None:
    """Delete processes that were silent for a minute, with their connections."""
    await database.fetch_records(_FORGET_DEAD)


async def forget_process(database: Database, process_id: UUID) -> None:
    """Delete a process with its connections."""
    await database.fetch_records(_FORGET, process_id=process_id)


async def connect(database: Database, process_id: UUID, connections: Collection[Connection]) -> None:
    """Store that users are connected to lobbies through a process that has a heartbeat."""
    lobby_ids, user_ids = zip(*connections, strict=True)
    await database.fetch_records(
        _CONNECT, process_id=process_id, lobby_ids=list(lobby_ids), user_ids=list(user_ids)
    )


async def disconnect(database: Database, process_id: UUID, connections: Collection[Connection]) -> None:
    """Store that they are not any more."""
    lobby_ids, user_ids = zip(*connections, strict=True)
    await database.fetch_records(
        _DISCONNECT, process_id=process_id, lobby_ids=list(lobby_ids), user_ids=list(user_ids)
    )
