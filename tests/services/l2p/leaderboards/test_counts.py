"""The counts that ranks are made from: right after any changes, merged or not, and few to read."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from l2p.leaderboards import repository
from l2p.leaderboards.service import forget_past
from l2p.models import SLOT_WIDTHS
from tests.services.l2p.fast_games import FastGames, FastQuestion
from tests.services.l2p.leaderboards.boards import add_finished_game, add_players, expect_board, read_all
from tests.services.l2p.players import Crowd

Connection = asyncpg.Connection

COUNTED = """
    SELECT board, period, width, slot, sum(players)::bigint AS players FROM standing_counts
    GROUP BY board, period, width, slot HAVING sum(players) <> 0 ORDER BY board, period, width, slot
"""
EXPECTED = """
    SELECT board, period, width, floor(value::numeric / width)::bigint AS slot, count(*) AS players
    FROM standings CROSS JOIN unnest($1::integer[]) AS width
    GROUP BY 1, 2, 3, 4 ORDER BY board, period, width, slot
"""
NOW = datetime(2026, 6, 17, 12, tzinfo=UTC)

SCORES = """
    SELECT part.user_id, sum(part.score) AS value FROM game_participants AS part
    JOIN games AS game ON game.id = part.game_id
    WHERE game.status = 'finished' AND part.user_id IS NOT NULL GROUP BY part.user_id HAVING sum(part.score) > 0
"""


async def check_counts(sql: "Connection[Any]") -> None:
    assert await sql.fetch(COUNTED) == await sql.fetch(EXPECTED, list(SLOT_WIDTHS))


async def test_counts_follow_every_kind_of_change(
    fast_games: FastGames, sql: "Connection[Any]", crowd: Crowd
) -> None:
    me = crowd.player()
    await me.get("/v1/users/me")
    await add_players(sql, 40, ratings="n * 37 - 200")
    users = [row["id"] for row in await sql.fetch("SELECT id FROM users ORDER BY id")]
    games = [
        await add_finished_game(sql, {user: 700 * (number % 5) for number, user in enumerate(users[start:])})
        for start in (0, 10, 20)
    ]
    await check_counts(sql)
    while await repository.merge_counts(fast_games.database):
        await check_counts(sql)
    await sql.execute("UPDATE users SET rating = rating + 1000 WHERE rating % 2 = 0")
    await sql.execute("UPDATE game_participants SET score = score + 13")
    await sql.execute("UPDATE games SET ended_at = ended_at - interval '40 days' WHERE id = $1", games[0])
    await sql.execute("DELETE FROM games WHERE id = $1", games[1])
    await sql.execute("DELETE FROM users WHERE id = ANY($1)", users[::7])
    await check_counts(sql)
    assert await read_all(me, by="score", limit=7) == await expect_board(sql, SCORES)
    while await repository.merge_counts(fast_games.database):
        pass
    await check_counts(sql)
    assert await sql.fetchval("SELECT count(*) FROM standing_counts") == len(await sql.fetch(COUNTED))


async def test_games_of_the_same_players_that_end_at_once_all_count(
    fast_games: FastGames, sql: "Connection[Any]", crowd: Crowd
) -> None:
    players = [await fast_games.add_player() for _ in range(6)]
    leases = [await fast_games.play_to_the_end(players, [FastQuestion({})]) for _ in range(8)]
    for lease in leases:
        await sql.execute(
            "UPDATE game_participants SET score = 100 + length(user_id::text) WHERE game_id = $1",
            lease.game_id,
        )
    ends = [fast_games.finish(lease) for lease in leases]
    merges = [repository.merge_counts(fast_games.database) for _ in range(4)]
    await asyncio.gather(*ends, *merges)
    await check_counts(sql)
    values = await sql.fetch(
        "SELECT value FROM standings WHERE board = 'score' AND period = 'all' AND user_id = ANY($1)", players
    )
    assert [row["value"] for row in values] == [8 * 136] * 6


async def test_boards_of_past_periods_are_deleted_with_their_counts(
    fast_games: FastGames, sql: "Connection[Any]"
) -> None:
    player = await fast_games.add_player()
    for age in (0, 2, 9, 40):
        game = await add_finished_game(sql, {player: 100})
        await sql.execute("UPDATE games SET ended_at = $1 WHERE id = $2", NOW - timedelta(days=age), game)
    await forget_past(fast_games.database, now=NOW)
    kept = await sql.fetch(
        "SELECT period, value FROM standings WHERE user_id = $1 AND board = 'score'", player
    )
    assert {row["period"]: row["value"] for row in kept} == {
        "all": 400,
        "month 2026-06": 300,
        "week 2026-06-15": 200,
        "day 2026-06-15": 100,
        "day 2026-06-17": 100,
        "week 2026-06-08": 100,
    }
    await check_counts(sql)


def find_nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from find_nodes(child)


@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.parametrize("statement", [repository.FIRST_PAGE, repository.AROUND_ME, repository.NEXT_PAGE])
async def test_a_page_reads_few_of_many_rows(
    fast_games: FastGames, sql: "Connection[Any]", statement: Any, place: str
) -> None:
    """At most the page, the counts of the thousands above, and those of the values in one thousand."""
    if await sql.fetchval("SELECT count(*) FROM users") < 6_000:
        await add_players(sql, 6_000, ratings="(n * 7919) % 5000")
        while await repository.merge_counts(fast_games.database):
            pass
        await sql.execute("ANALYZE standings")
        await sql.execute("ANALYZE standing_counts")
        await sql.execute("ANALYZE users")
    number = {"first": 0, "middle": 3_000, "last": 5_999}[place]
    row = await sql.fetchrow(
        "SELECT user_id, value FROM standings WHERE board = 'rating' ORDER BY value DESC, user_id DESC OFFSET $1",
        number,
    )
    assert row is not None
    parameters = {"board": "rating", "period": "all", "me": row["user_id"], "limit": 50, **row}
    plan = json.loads(
        await sql.fetchval(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}", *statement.arguments(parameters)
        )
    )[0]["Plan"]
    scans = [node for node in find_nodes(plan) if "Relation Name" in node]
    assert "Seq Scan" not in {node["Node Type"] for node in scans}
    read = sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in scans
    )
    assert read <= 2 * (5 + 1000) + 4 * 51 + 1
