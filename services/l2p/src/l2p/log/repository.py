"""The statements on lobbies' logs."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import BigInteger, Row, Text, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.driver_statements import DriverText
from dbcommon.engine import Database
from l2p.log.events import NewEvent, encode

# Updating the lobby's row locks it until the commit, so that events become visible in the order of their `seq`.
_APPEND = text(
    """
    WITH moved AS (
        UPDATE lobbies SET event_seq = event_seq + cardinality(:types) WHERE id = :lobby_id
        RETURNING event_seq - cardinality(:types) AS before
    )
    INSERT INTO lobby_events (lobby_id, seq, type, data, at)
    SELECT :lobby_id, moved.before + entry.number, entry.type, entry.data::jsonb, clock_timestamp()
    FROM moved, unnest(:types, :data) WITH ORDINALITY AS entry (type, data, number)
    RETURNING seq
    """
).bindparams(
    bindparam("lobby_id", type_=Uuid()),
    bindparam("types", type_=ARRAY(Text())),
    bindparam("data", type_=ARRAY(Text())),
)

_READ = DriverText(
    text(
        """
        SELECT seq, type, data::text AS data,
            to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at
        FROM lobby_events WHERE lobby_id = :lobby_id AND seq > :after ORDER BY seq LIMIT :limit
        """
    ).bindparams(
        bindparam("lobby_id", type_=Uuid()),
        bindparam("after", type_=BigInteger()),
        bindparam("limit", type_=BigInteger()),
    )
)

_HEADS = DriverText(
    text("SELECT id, event_seq FROM lobbies WHERE id = ANY(:lobby_ids)").bindparams(
        bindparam("lobby_ids", type_=ARRAY(Uuid()))
    )
)

_FIND_START = text(
    """
    SELECT lobbies.stream, lobbies.event_seq,
        -- The event after `last_seq`: whether it is there, and how old it is.
        (SELECT extract(epoch FROM clock_timestamp() - at)::float8 FROM lobby_events
         WHERE lobby_id = lobbies.id AND seq = least(:last_seq, lobbies.event_seq) + 1) AS seconds
    FROM lobbies WHERE id = :lobby_id
    """
).bindparams(bindparam("lobby_id", type_=Uuid()), bindparam("last_seq", type_=BigInteger()))


async def append(db: AsyncSession, lobby_id: UUID, events: Sequence[NewEvent]) -> int:
    """Write events at the end of a lobby's log; gives the `seq` of the last one. Locks the lobby until the commit."""
    parameters = {
        "lobby_id": lobby_id,
        "types": [event.type for event in events],
        "data": [encode(event.data) for event in events],
    }
    last: int = max((await db.execute(_APPEND, parameters)).scalars())
    return last


async def read_after(database: Database, lobby_id: UUID, *, after: int, limit: int) -> "list[asyncpg.Record]":
    """The next events of a lobby, `data` as JSON text."""
    return await database.fetch_records(_READ, lobby_id=lobby_id, after=after, limit=limit)


async def find_heads(database: Database, lobby_ids: Collection[UUID]) -> dict[UUID, int]:
    """The `seq` of the newest event of each lobby."""
    records = await database.fetch_records(_HEADS, lobby_ids=list(lobby_ids))
    return {record["id"]: record["event_seq"] for record in records}


async def find_start(database: Database, lobby_id: UUID, *, last_seq: int) -> Row[Any] | None:
    """The lobby's `stream` and `event_seq`, and the age in `seconds` of the event after `last_seq`."""
    return await database.fetch_one(_FIND_START, {"lobby_id": lobby_id, "last_seq": last_seq})
