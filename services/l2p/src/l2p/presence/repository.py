"""The statements on processes, and on who is connected to which lobby through them."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.driver_statements import DriverText
from dbcommon.engine import Database

_HEARTBEAT = DriverText(
    text(
        """
        INSERT INTO processes (id, heartbeat_at) VALUES (:process_id, clock_timestamp())
        ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at
        RETURNING xmax = 0 AS is_new
        """
    ).bindparams(bindparam("process_id", type_=Uuid()))
)

_FORGET = DriverText(
    text(
        """
        WITH gone AS (
            DELETE FROM lobby_connections WHERE process_id = :process_id RETURNING lobby_id, user_id
        ), left_now AS (
            UPDATE lobby_presence AS presence SET left_at = clock_timestamp() FROM gone
            WHERE presence.lobby_id = gone.lobby_id AND presence.user_id = gone.user_id
        )
        UPDATE processes SET heartbeat_at = '-infinity' WHERE id = :process_id RETURNING id
        """
    ).bindparams(bindparam("process_id", type_=Uuid()))
)

_CONNECT = DriverText(
    text(
        """
        WITH open AS (
            SELECT lobbies.id AS lobby_id, users.id AS user_id
            FROM unnest(:lobby_ids, :user_ids) AS open (lobby_id, user_id)
            JOIN lobbies ON lobbies.id = open.lobby_id JOIN users ON users.id = open.user_id
        ), stored AS (
            INSERT INTO lobby_connections (process_id, lobby_id, user_id)
            SELECT :process_id, lobby_id, user_id FROM open ON CONFLICT DO NOTHING
        )
        INSERT INTO lobby_presence (lobby_id, user_id) SELECT lobby_id, user_id FROM open
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
        WITH gone AS (
            DELETE FROM lobby_connections AS open USING unnest(:lobby_ids, :user_ids) AS gone (lobby_id, user_id)
            WHERE open.process_id = :process_id AND open.lobby_id = gone.lobby_id AND open.user_id = gone.user_id
            RETURNING open.lobby_id, open.user_id
        )
        UPDATE lobby_presence AS presence SET left_at = clock_timestamp() FROM gone
        WHERE presence.lobby_id = gone.lobby_id AND presence.user_id = gone.user_id
        RETURNING presence.lobby_id
        """
    ).bindparams(
        bindparam("process_id", type_=Uuid()),
        bindparam("lobby_ids", type_=ARRAY(Uuid())),
        bindparam("user_ids", type_=ARRAY(Uuid())),
    )
)

_TOUCH = DriverText(
    text(
        """
        INSERT INTO lobby_presence (lobby_id, user_id, seen_until)
        SELECT DISTINCT ON (lobbies.id, users.id) lobbies.id, users.id, clock_timestamp() + interval '15 s'
        FROM unnest(:ids, :user_ids) AS call (id, user_id)
        LEFT JOIN games ON games.id = call.id
        JOIN lobbies ON lobbies.id = coalesce(games.lobby_id, call.id)
        JOIN users ON users.id = call.user_id
        WHERE lobbies.status <> 'closed'
        ORDER BY 1, 2
        ON CONFLICT (lobby_id, user_id) DO UPDATE SET seen_until = excluded.seen_until
        RETURNING lobby_id
        """
    ).bindparams(bindparam("ids", type_=ARRAY(Uuid())), bindparam("user_ids", type_=ARRAY(Uuid())))
)

_LOCK_LOBBY = text("SELECT FROM lobbies WHERE id = :lobby_id FOR NO KEY UPDATE").bindparams(
    bindparam("lobby_id", type_=Uuid())
)

# Users whose process is alive, who have no seat on the lobby and do not host it.
_ADMIT_SPECTATOR = text(
    """
    INSERT INTO lobby_connections (process_id, lobby_id, user_id)
    SELECT :process_id, :lobby_id, :user_id
    WHERE :most > (
        SELECT count(DISTINCT open.user_id) FROM lobby_connections AS open
        JOIN processes ON processes.id = open.process_id JOIN lobbies AS lobby ON lobby.id = open.lobby_id
        WHERE open.lobby_id = :lobby_id AND open.user_id <> :user_id
            AND processes.heartbeat_at > clock_timestamp() - interval '6 s'
            AND open.user_id IS DISTINCT FROM lobby.host_id AND NOT EXISTS (
                SELECT FROM lobby_players AS seat WHERE seat.lobby_id = lobby.id AND seat.user_id = open.user_id
            )
    )
    ON CONFLICT (process_id, lobby_id, user_id) DO UPDATE SET connected_at = lobby_connections.connected_at
    RETURNING user_id
    """
).bindparams(
    bindparam("process_id", type_=Uuid()),
    bindparam("lobby_id", type_=Uuid()),
    bindparam("user_id", type_=Uuid()),
)

Connection = tuple[UUID, UUID]
"""A lobby and a user."""


async def store_heartbeat(database: Database, process_id: UUID) -> bool:
    """Say that a process runs. True when it was not known, so that no connection of it is stored."""
    record = await database.fetch_record(_HEARTBEAT, process_id=process_id)
    return record is not None and bool(record["is_new"])


async def forget_process(database: Database, process_id: UUID) -> None:
    """Say that a process ends: it has no connections any more."""
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


async def touch(database: Database, calls: Collection[Connection]) -> None:
    """Store that users called routes of lobbies or their games: they count as connected for 15 s."""
    ids, user_ids = zip(*calls, strict=True)
    await database.fetch_records(_TOUCH, ids=list(ids), user_ids=list(user_ids))


async def lock_lobby(db: AsyncSession, lobby_id: UUID) -> None:
    """Lock a lobby until the transaction ends: its spectators are counted one after the other."""
    await db.execute(_LOCK_LOBBY, {"lobby_id": lobby_id})


async def admit_spectator(db: AsyncSession, process_id: UUID, connection: Connection, *, most: int) -> bool:
    """Store the connection of a user without a seat to a locked lobby, unless `most` others are connected."""
    lobby_id, user_id = connection
    parameters = {"process_id": process_id, "lobby_id": lobby_id, "user_id": user_id, "most": most}
    return (await db.execute(_ADMIT_SPECTATOR, parameters)).one_or_none() is not None
