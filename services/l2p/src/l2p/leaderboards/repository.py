"""The statements on leaderboards."""
# ruff: noqa: S608 - composed of constants of this file; every value is a parameter

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import BigInteger, Integer, Text, Uuid, bindparam, text
from sqlalchemy.types import TypeEngine

from dbcommon.driver_statements import DriverText
from dbcommon.engine import Database

BATCH = 1000
"""Rows that one statement merges or deletes."""

_OF_BOARD = "board = :board AND period = :period"


def _rank(value: str) -> str:
    """How many players have a higher value, and one: by whole thousands above its own, then value by value."""
    players = "SELECT coalesce(sum(players), 0) FROM standing_counts"
    thousand = f"floor({value} / 1000.0)::bigint"
    return f"""
        1 + ({players} WHERE {_OF_BOARD} AND width = 1000 AND slot > {thousand})
        + ({players} WHERE {_OF_BOARD} AND width = 1 AND slot > {value} AND slot < ({thousand} + 1) * 1000)
    """


_MINE = f"mine AS (SELECT value, user_id FROM standings WHERE {_OF_BOARD} AND user_id = :me)"

_HIGHER = "ORDER BY value, user_id"
_LOWER = "ORDER BY value DESC, user_id DESC"

_FIRST_PAGE = f"page AS (SELECT value, user_id FROM standings WHERE {_OF_BOARD} {_LOWER} LIMIT :limit + 1)"

_NEXT_PAGE = f"""
    page AS (
        SELECT value, user_id FROM standings WHERE {_OF_BOARD} AND (value, user_id) < (:value, :user_id)
        {_LOWER} LIMIT :limit + 1
    )
"""

# Half of the rows above the caller, and more where there are too few below.
_AROUND_ME = f"""
    higher AS (
        SELECT near.*, row_number() OVER (ORDER BY near.value, near.user_id) AS distance FROM mine CROSS JOIN LATERAL (
            SELECT value, user_id FROM standings
            WHERE {_OF_BOARD} AND (value, user_id) > (mine.value, mine.user_id) {_HIGHER} LIMIT :limit - 1
        ) AS near
    ), lower AS (
        SELECT near.*, row_number() OVER (ORDER BY near.value DESC, near.user_id DESC) AS distance FROM mine CROSS JOIN LATERAL (
            SELECT value, user_id FROM standings
            WHERE {_OF_BOARD} AND (value, user_id) < (mine.value, mine.user_id) {_LOWER} LIMIT :limit
        ) AS near
    ), share AS (
        SELECT least((SELECT count(*) FROM higher),
            greatest((:limit - 1) / 2, :limit - 1 - (SELECT count(*) FROM lower))) AS above
    ), page AS (
        SELECT value, user_id FROM higher, share WHERE distance <= share.above
        UNION ALL SELECT value, user_id FROM mine
        UNION ALL SELECT value, user_id FROM lower, share WHERE distance <= :limit - share.above
    )
"""


def _prepare(page: str) -> DriverText:
    """One row: the JSON of the page's `items`, the position of its last where more follow, and the caller's place.

    Only the first row's rank is looked up: all players between it and another row are on the page, but for those who
    share the first row's value.
    """
    statement = f"""
        WITH {_MINE}, {page}, numbered AS (
            SELECT value, user_id, row_number() OVER ({_LOWER}) AS number, rank() OVER (ORDER BY value DESC) AS place
            FROM page
        ), top AS MATERIALIZED (
            SELECT value, (SELECT count(*) FROM page WHERE page.value = numbered.value) AS here,
                (SELECT sum(players) FROM standing_counts
                 WHERE {_OF_BOARD} AND width = 1 AND slot = numbered.value) AS everywhere,
                {_rank("numbered.value")} AS rank
            FROM numbered WHERE number = 1
        ), listed AS (
            SELECT numbered.*, CASE WHEN numbered.value = top.value THEN top.rank
                ELSE top.rank + top.everywhere + numbered.place - 1 - top.here END AS rank
            FROM numbered CROSS JOIN top WHERE numbered.number <= :limit
        ), last AS (
            SELECT value, user_id FROM listed WHERE number = :limit AND (SELECT count(*) FROM page) > :limit
        )
        SELECT
            (SELECT coalesce(json_agg(json_build_object(
                'rank', listed.rank, 'value', listed.value,
                'user', json_build_object('id', player.id, 'username', player.username)
            ) ORDER BY listed.number), '[]')::text
            FROM listed JOIN users AS player ON player.id = listed.user_id) AS items,
            (SELECT json_build_object('rank', {_rank("mine.value")}, 'value', mine.value)::text FROM mine) AS me,
            (SELECT value FROM last) AS value, (SELECT user_id FROM last) AS user_id
    """
    types: dict[str, TypeEngine[Any]] = {
        "board": Text(),
        "period": Text(),
        "me": Uuid(),
        "limit": Integer(),
        "value": BigInteger(),
        "user_id": Uuid(),
    }
    used = [bindparam(name, type_=kind) for name, kind in types.items() if f":{name}" in statement]
    return DriverText(text(statement).bindparams(*used))


FIRST_PAGE, NEXT_PAGE, AROUND_ME = _prepare(_FIRST_PAGE), _prepare(_NEXT_PAGE), _prepare(_AROUND_ME)

# Rows that another process merges at this moment are passed over. Those of a slot add up to the same before and after.
_MERGE = DriverText(
    text(
        """
        WITH fresh AS (
            SELECT id, board, period, width, slot FROM standing_counts
            WHERE NOT is_merged ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED
        ), slots AS (
            SELECT DISTINCT board, period, width, slot FROM fresh
        ), taken AS (
            SELECT counted.id FROM slots JOIN standing_counts AS counted USING (board, period, width, slot)
            FOR UPDATE OF counted SKIP LOCKED
        ), gone AS (
            DELETE FROM standing_counts AS counted USING taken WHERE counted.id = taken.id
            RETURNING counted.board, counted.period, counted.width, counted.slot, counted.players
        ), merged AS (
            INSERT INTO standing_counts (board, period, width, slot, players, is_merged)
            SELECT board, period, width, slot, sum(players), true FROM gone
            GROUP BY board, period, width, slot HAVING sum(players) <> 0
        )
        SELECT count(*) AS number FROM fresh
        """
    ).bindparams(bindparam("most", type_=Integer()))
)


# The counts follow by the triggers.
_FORGET = DriverText(
    text(
        """
        WITH old AS (
            SELECT board, period, user_id FROM standings
            WHERE board IN ('score', 'wins') AND period >= :first AND period < :before
            LIMIT :most FOR UPDATE SKIP LOCKED
        ), gone AS (
            DELETE FROM standings USING old
            WHERE (standings.board, standings.period, standings.user_id) = (old.board, old.period, old.user_id)
        )
        SELECT count(*) AS number FROM old
        """
    ).bindparams(
        bindparam("first", type_=Text()),
        bindparam("before", type_=Text()),
        bindparam("most", type_=Integer()),
    )
)


@dataclass(frozen=True, kw_only=True)
class BoardFilter:
    """A board in one period."""

    board: str
    period: str


@dataclass(frozen=True, kw_only=True)
class BoardPosition:
    """A position on a board: after the player with this value."""

    value: int
    user_id: UUID


async def find_page(
    database: Database, wanted: BoardFilter, *, me: UUID, after: BoardPosition | None, limit: int
) -> "asyncpg.Record":
    """The players of a board, the highest first: the JSON of `items` and `me`, and the `value` and `user_id` of the last
    item, null where no more follow."""
    parameters = {"board": wanted.board, "period": wanted.period, "me": me, "limit": limit}
    if after is None:
        return await database.fetch_page(FIRST_PAGE, **parameters)
    return await database.fetch_page(
        NEXT_PAGE, **parameters | {"value": after.value, "user_id": after.user_id}
    )


async def find_around(database: Database, wanted: BoardFilter, *, me: UUID, limit: int) -> "asyncpg.Record":
    """The same for the players around `me`; no items when that player has no value."""
    return await database.fetch_page(AROUND_ME, board=wanted.board, period=wanted.period, me=me, limit=limit)


async def merge_counts(database: Database) -> int:
    """Merge the oldest new counts with those of their slots; gives how many there were."""
    (row,) = await database.fetch_records(_MERGE, most=BATCH)
    number: int = row["number"]
    return number


async def forget_period(database: Database, *, first: str, before: str) -> int:
    """Delete places on boards whose period's name is in this range; gives how many."""
    (row,) = await database.fetch_records(_FORGET, first=first, before=before, most=BATCH)
    number: int = row["number"]
    return number
