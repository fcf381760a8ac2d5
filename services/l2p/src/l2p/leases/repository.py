"""The statements on the leases of games."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Integer, Row, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.driver_statements import DriverText
from dbcommon.engine import Database

_RENEW = DriverText(
    text(
        """
        UPDATE games SET lease_until = clock_timestamp() + interval '3 s'
        FROM unnest(:game_ids, :epochs) AS held (game_id, epoch)
        WHERE games.id = held.game_id AND games.lease_epoch = held.epoch AND games.lease_holder = :holder
            AND games.status NOT IN ('finished', 'aborted')
        RETURNING games.id, (SELECT event_seq FROM lobbies WHERE lobbies.id = games.lobby_id) AS seq, (
            SELECT count(*) FROM questions JOIN answers ON answers.question_id = questions.id
            WHERE questions.game_id = games.id AND questions.order_index = games.current_question
                AND questions.closed_at IS NULL
        ) AS answered
        """
    ).bindparams(
        bindparam("game_ids", type_=ARRAY(Uuid())),
        bindparam("epochs", type_=ARRAY(Integer())),
        bindparam("holder", type_=Uuid()),
    )
)

_FIND_FREE = DriverText(
    text(
        """
        SELECT id, lobby_id FROM games
        WHERE status NOT IN ('finished', 'aborted') AND lease_until < clock_timestamp()
        ORDER BY lease_until LIMIT :most
        """
    ).bindparams(bindparam("most", type_=Integer()))
)

# The lease is read before it is replaced: the lobby is locked, so that no other process claims in between.
_CLAIM = text(
    """
    UPDATE games SET lease_holder = :holder, lease_epoch = before.lease_epoch + 1,
        lease_until = clock_timestamp() + interval '3 s'
    FROM games AS before
    WHERE games.id = :game_id AND before.id = games.id AND games.lease_until < clock_timestamp()
        AND games.status NOT IN ('finished', 'aborted')
    RETURNING games.lease_epoch,
        CASE WHEN before.lease_holder IS NULL THEN NULL ELSE before.lease_until - interval '3 s' END AS silent_since
    """
).bindparams(bindparam("game_id", type_=Uuid()), bindparam("holder", type_=Uuid()))

_RELEASE = DriverText(
    text(
        """
        UPDATE games SET lease_holder = NULL, lease_until = clock_timestamp()
        WHERE lease_holder = :holder AND status NOT IN ('finished', 'aborted') RETURNING lobby_id
        """
    ).bindparams(bindparam("holder", type_=Uuid()))
)


async def renew(database: Database, epochs: dict[UUID, int], *, holder: UUID) -> dict[UUID, tuple[int, int]]:
    """Renew leases; gives for each game that is still held the `seq` of its lobby, and how many answered the question."""
    records = await database.fetch_records(
        _RENEW, game_ids=list(epochs), epochs=list(epochs.values()), holder=holder
    )
    return {record["id"]: (record["seq"], record["answered"]) for record in records}


async def find_free(database: Database, *, most: int) -> "list[asyncpg.Record]":
    """Games whose lease is over: `id` and `lobby_id`."""
    return await database.fetch_records(_FIND_FREE, most=most)


async def claim(db: AsyncSession, game_id: UUID, *, holder: UUID) -> Row[Any] | None:
    """Take the lease of a game of a locked lobby; None when another process has it.

    Gives its `lease_epoch`, and since when the former holder was `silent_since`: null when it handed over.
    """
    return (await db.execute(_CLAIM, {"game_id": game_id, "holder": holder})).one_or_none()


async def release(database: Database, *, holder: UUID) -> Collection[UUID]:
    """Hand all games over; gives their lobbies."""
    return [record["lobby_id"] for record in await database.fetch_records(_RELEASE, holder=holder)]
