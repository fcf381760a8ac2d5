"""The statements on processes, and on who is connected to which lobby through them."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
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
        WITH own AS (
            SELECT lobbies.id AS lobby_id, users.id AS user_id, array_agg(socket.opened_at) AS opened_at
            FROM unnest(:lobby_ids, :user_ids, :opened_at) AS socket (lobby_id, user_id, opened_at)
            JOIN lobbies ON lobbies.id = socket.lobby_id JOIN users ON users.id = socket.user_id
            GROUP BY lobbies.id, users.id
        ), stored AS (
            INSERT INTO lobby_connections (process_id, lobby_id, user_id, opened_at)
            SELECT :process_id, lobby_id, user_id, opened_at FROM own
            ON CONFLICT (process_id, lobby_id, user_id) DO UPDATE SET opened_at = excluded.opened_at
        ), present AS (
            INSERT INTO lobby_presence (lobby_id, user_id) SELECT lobby_id, user_id FROM own ORDER BY 1, 2
            ON CONFLICT DO NOTHING
        )
        SELECT EXISTS (
            SELECT FROM own JOIN lobby_connections AS other USING (lobby_id, user_id)
            JOIN processes ON processes.id = other.process_id
            WHERE other.process_id <> :process_id
                AND processes.heartbeat_at > clock_timestamp() - interval '6 s'
            GROUP BY own.lobby_id, own.user_id, own.opened_at
            HAVING cardinality(own.opened_at) + sum(cardinality(other.opened_at)) > :most
        ) AS is_too_many
        """
    ).bindparams(
        bindparam("process_id", type_=Uuid()),
        bindparam("lobby_ids", type_=ARRAY(Uuid())),
        bindparam("user_ids", type_=ARRAY(Uuid())),
        bindparam("opened_at", type_=ARRAY(TIMESTAMP(timezone=True))),
        bindparam("most", type_=BigInteger()),
    )
)

# Each process finds its own, by the same order.
_FIND_REPLACED = DriverText(
    text(
        """
        WITH live AS (
            SELECT id AS process_id FROM processes WHERE heartbeat_at > clock_timestamp() - interval '6 s'
        ), crowded AS (
            SELECT lobby_id, user_id
            FROM lobby_connections AS own JOIN lobby_connections AS every USING (lobby_id, user_id)
            JOIN live ON live.process_id = every.process_id
            WHERE own.process_id = :process_id
            GROUP BY lobby_id, user_id HAVING sum(cardinality(every.opened_at)) > :most
        )
        SELECT lobby_id, user_id, opened_at FROM (
            SELECT lobby_id, user_id, process_id, socket.opened_at, row_number() OVER (
                PARTITION BY lobby_id, user_id ORDER BY socket.opened_at DESC, process_id DESC
            ) AS number
            FROM crowded JOIN lobby_connections AS every USING (lobby_id, user_id) JOIN live USING (process_id)
            CROSS JOIN unnest(every.opened_at) AS socket (opened_at)
        ) AS numbered
        WHERE number > :most AND process_id = :process_id
        """
    ).bindparams(bindparam("process_id", type_=Uuid()), bindparam("most", type_=BigInteger()))
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

Socket = tuple[UUID, UUID, datetime]
"""An open socket or event stream: its lobby, its user, and the database's time at which it was opened."""


async def store_heartbeat(database: Database, process_id: UUID) -> bool:
    """Say that a process runs. True when it was not known, so that no connection of it is stored."""
    record = await database.fetch_record(_HEARTBEAT, process_id=process_id)
    return record is not None and bool(record["is_new"])


async def forget_process(database: Database, process_id: UUID) -> None:
    """Say that a process ends: it has no connections any more."""
    await database.fetch_records(_FORGET, process_id=process_id)


async def connect(database: Database, process_id: UUID, sockets: Collection[Socket], *, most: int) -> bool:
    """Store all sockets that users have on lobbies through a process that has a heartbeat.

    True when one of the users has more than `most` on a lobby, over all processes.
    """
    lobby_ids, user_ids, opened_at = zip(*sockets, strict=True)
    record = await database.fetch_record(
        _CONNECT,
        process_id=process_id,
        lobby_ids=list(lobby_ids),
        user_ids=list(user_ids),
        opened_at=list(opened_at),
        most=most,
    )
    return record is not None and bool(record["is_too_many"])


async def find_replaced(database: Database, process_id: UUID, *, most: int) -> list[Socket]:
    """Sockets of a process whose user has `most` newer ones on the same lobby, over all processes."""
    records = await database.fetch_records(_FIND_REPLACED, process_id=process_id, most=most)
    return [(record["lobby_id"], record["user_id"], record["opened_at"]) for record in records]


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
