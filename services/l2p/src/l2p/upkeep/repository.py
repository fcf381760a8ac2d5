"""The statements that look after lobbies."""
# ruff: noqa: S608 - composed of constants of this file; every value is a parameter

from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Boolean, Integer, Row, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import INTERVAL
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.driver_statements import DriverText
from dbcommon.engine import Database

# One process a second has the turn. What is longer ago than five seconds was no absence of players: no process ran.
_TAKE_TURN = DriverText(
    text(
        """
        WITH turn AS (
            SELECT id, done_at FROM upkeep
            WHERE done_at < clock_timestamp() - interval '0.9 s' FOR UPDATE SKIP LOCKED
        ), done AS (
            UPDATE upkeep SET done_at = clock_timestamp() FROM turn WHERE upkeep.id = turn.id
            RETURNING upkeep.done_at - turn.done_at AS gap
        ), forgiven AS (
            UPDATE lobby_presence SET left_at = left_at + done.gap,
                seen_until = CASE WHEN is_connected THEN clock_timestamp() + interval '15 s'
                    ELSE seen_until + done.gap END
            FROM done WHERE done.gap > interval '5 s'
        ), dead AS (
            DELETE FROM lobby_connections AS open USING processes
            WHERE processes.id = open.process_id AND processes.heartbeat_at < clock_timestamp() - interval '6 s'
                AND EXISTS (SELECT FROM done WHERE gap <= interval '5 s')
            RETURNING open.lobby_id, open.user_id, processes.heartbeat_at
        ), gone AS (
            UPDATE lobby_presence AS presence SET left_at = dead.heartbeat_at FROM dead
            WHERE presence.lobby_id = dead.lobby_id AND presence.user_id = dead.user_id
        )
        SELECT gap FROM done
        """
    )
)

_FORGET_PROCESSES = DriverText(
    text("DELETE FROM processes WHERE heartbeat_at < clock_timestamp() - interval '60 s' RETURNING id")
)

_IS_HERE = """
    (coalesce(presence.seen_until > clock_timestamp(), false) OR EXISTS (
        SELECT FROM lobby_connections AS open
        WHERE open.lobby_id = presence.lobby_id AND open.user_id = presence.user_id
    ))
"""

# The sockets of a user who reloads a page are gone for less than three seconds.
_IS_GONE = f"""
    (NOT {_IS_HERE} AND coalesce(presence.left_at < clock_timestamp() - interval '3 s', true))
"""

_STATE = f"""
    SELECT lobby.id AS lobby_id, lobby.host_id, lobby.status AS lobby_status,
        game.id AS game_id, game.status AS game_status, game.pause_reason,
        coalesce(bool_or({_IS_HERE}), false) AS somebody_here,
        coalesce(bool_or({_IS_HERE} AND seat.user_id IS NOT NULL AND presence.user_id IS DISTINCT FROM lobby.host_id), false)
            AS successor_here,
        coalesce(bool_or(presence.is_connected IS DISTINCT FROM CASE WHEN presence.is_connected
            THEN NOT {_IS_GONE} ELSE {_IS_HERE} END) FILTER (WHERE presence.user_id IS NOT NULL), false) AS something_to_tell,
        extract(epoch FROM clock_timestamp() - max(greatest(presence.seen_until - interval '15 s', presence.left_at))
            FILTER (WHERE presence.user_id = lobby.host_id AND NOT {_IS_HERE}))::float8 AS host_gone_seconds,
        extract(epoch FROM clock_timestamp()
            - coalesce(max(greatest(presence.seen_until - interval '15 s', presence.left_at)), lobby.created_at))::float8 AS empty_seconds
    FROM lobbies AS lobby
    LEFT JOIN lobby_presence AS presence ON presence.lobby_id = lobby.id AND (
        presence.user_id = lobby.host_id
        OR EXISTS (SELECT FROM lobby_players AS own WHERE own.lobby_id = lobby.id AND own.user_id = presence.user_id)
    )
    LEFT JOIN lobby_players AS seat ON seat.lobby_id = lobby.id AND seat.user_id = presence.user_id
    LEFT JOIN games AS game ON game.lobby_id = lobby.id AND game.status NOT IN ('finished', 'aborted')
"""

_NEEDS = """
    something_to_tell
    OR (host_gone_seconds > 15 AND successor_here)
    OR (NOT somebody_here AND game_status <> 'paused' AND empty_seconds > 15)
    OR (somebody_here AND game_status = 'paused' AND pause_reason = 'nobody connected')
    OR (NOT somebody_here AND empty_seconds > :idle_seconds)
"""

_GROUP = "GROUP BY lobby.id, game.id"

_FIND_NEEDS = DriverText(
    text(
        f"""
        SELECT lobby_id FROM ({_STATE} WHERE lobby.status <> 'closed' {_GROUP}) AS state WHERE {_NEEDS}
        """
    ).bindparams(bindparam("idle_seconds", type_=Integer()))
)

_READ_STATE = (
    text(
        f"SELECT * FROM ({_STATE} WHERE lobby.id = :lobby_id AND lobby.status <> 'closed' {_GROUP}) AS state"
    )
    .bindparams(bindparam("lobby_id", type_=Uuid()))
    .columns(
        lobby_id=Uuid(), host_id=Uuid(), game_id=Uuid(), somebody_here=Boolean(), successor_here=Boolean()
    )
)

_TELL = (
    text(
        f"""
        UPDATE lobby_presence AS presence SET is_connected = NOT presence.is_connected
        FROM lobbies AS lobby
        WHERE presence.lobby_id = :lobby_id AND lobby.id = presence.lobby_id
            AND CASE WHEN presence.is_connected THEN {_IS_GONE} ELSE {_IS_HERE} END
            AND (presence.user_id = lobby.host_id OR EXISTS (
                SELECT FROM lobby_players AS seat
                WHERE seat.lobby_id = presence.lobby_id AND seat.user_id = presence.user_id
            ))
        RETURNING presence.user_id, presence.is_connected
        """
    )
    .bindparams(bindparam("lobby_id", type_=Uuid()))
    .columns(user_id=Uuid(), is_connected=Boolean())
)

_FIND_SUCCESSOR = (
    text(
        f"""
        SELECT seat.user_id FROM lobby_players AS seat
        JOIN lobby_presence AS presence ON presence.lobby_id = seat.lobby_id AND presence.user_id = seat.user_id
        WHERE seat.lobby_id = :lobby_id AND seat.user_id IS DISTINCT FROM :host_id AND {_IS_HERE}
        ORDER BY seat.joined_at, seat.id LIMIT 1
        """
    )
    .bindparams(bindparam("lobby_id", type_=Uuid()), bindparam("host_id", type_=Uuid()))
    .columns(user_id=Uuid())
)

_FORGET_EVENTS = DriverText(
    text(
        """
        WITH old AS (
            SELECT lobbies.id FROM lobbies
            WHERE lobbies.status = 'closed' AND lobbies.closed_at < clock_timestamp() - :kept
                AND EXISTS (SELECT FROM lobby_events WHERE lobby_events.lobby_id = lobbies.id)
            ORDER BY lobbies.closed_at LIMIT 20
        ), presence AS (
            DELETE FROM lobby_presence USING old WHERE lobby_presence.lobby_id = old.id
        )
        DELETE FROM lobby_events USING old WHERE lobby_events.lobby_id = old.id RETURNING lobby_events.seq
        """
    ).bindparams(bindparam("kept", type_=INTERVAL()))
)


async def take_turn(database: Database) -> bool:
    """Whether it is this process's turn to look after the lobbies. Connections of dead processes are gone then."""
    return await database.fetch_record(_TAKE_TURN) is not None


async def forget_processes(database: Database) -> None:
    """Delete processes that were silent for a minute."""
    await database.fetch_records(_FORGET_PROCESSES)


async def find_lobbies_in_need(database: Database, *, idle_seconds: int) -> list[UUID]:
    """Open lobbies for which `read_state` gives something to do."""
    records: list[asyncpg.Record] = await database.fetch_records(_FIND_NEEDS, idle_seconds=idle_seconds)
    return [record["lobby_id"] for record in records]


async def read_state(db: AsyncSession, lobby_id: UUID) -> Row[Any] | None:
    """Who is connected to a locked lobby, and for how many seconds its host, or everybody, is gone."""
    return (await db.execute(_READ_STATE, {"lobby_id": lobby_id})).one_or_none()


async def note_presence(db: AsyncSession, lobby_id: UUID) -> list[tuple[UUID, bool]]:
    """Players of a locked lobby who came or went since the log told, and whether they are connected now."""
    return [(row.user_id, row.is_connected) for row in await db.execute(_TELL, {"lobby_id": lobby_id})]


async def find_successor(db: AsyncSession, lobby_id: UUID, *, host_id: UUID | None) -> UUID | None:
    """The connected player who has been in a lobby for the longest time, the host excepted."""
    parameters = {"lobby_id": lobby_id, "host_id": host_id}
    return (await db.execute(_FIND_SUCCESSOR, parameters)).scalar_one_or_none()


async def forget_events(database: Database, *, kept: object) -> int:
    """Delete the logs of some lobbies that were closed so long ago; gives the number of events."""
    return len(await database.fetch_records(_FORGET_EVENTS, kept=kept))
