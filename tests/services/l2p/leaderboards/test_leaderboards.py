"""Leaderboards: ranks, pages, periods, and who is on them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.services.l2p.fast_games import RIGHT, WRONG, FastGames, FastQuestion
from tests.services.l2p.leaderboards.boards import add_finished_game, add_players, expect_board, read_all
from tests.services.l2p.players import Crowd, Player

Connection = asyncpg.Connection


@pytest.fixture(autouse=True)
async def _empty(sql: "Connection[Any]") -> None:
    """Each test begins with empty boards."""
    await sql.execute("DELETE FROM games")
    await sql.execute("DELETE FROM users")


async def read(player: Player, **parameters: Any) -> dict[str, Any]:
    response = await player.get("/v1/leaderboard", **parameters)
    assert response.status_code == 200, response.text
    board: dict[str, Any] = response.json()
    return board


def ranks(board: dict[str, Any]) -> list[tuple[int, int]]:
    return [(item["rank"], item["value"]) for item in board["items"]]


async def stored(crowd: Crowd, sql: "Connection[Any]", *ratings: int) -> list[Player]:
    """New players with these ratings."""
    players = crowd.players(len(ratings))
    for player, rating in zip(players, ratings, strict=True):
        assert (await player.get("/v1/users/me")).status_code == 200
        await sql.execute("UPDATE users SET rating = $1 WHERE id = $2", rating, player.id)
    return players


async def test_ratings_are_listed_by_number_with_shared_ranks(crowd: Crowd, sql: "Connection[Any]") -> None:
    players = await stored(crowd, sql, 900, 10_000, 1000, 1000)
    board = await read(players[0])
    assert ranks(board) == [(1, 10_000), (2, 1000), (2, 1000), (4, 900)]
    assert board["me"] == {"rank": 4, "value": 900}
    assert board["next_cursor"] is None
    assert {item["user"]["id"] for item in board["items"]} == {str(player.id) for player in players}


async def test_pages_have_each_player_exactly_once_with_the_rank_of_the_whole_board(
    crowd: Crowd, sql: "Connection[Any]"
) -> None:
    (me,) = await stored(crowd, sql, 1003)
    await add_players(sql, 2500, ratings="1000 + n % 5 + (n % 3) * 1000")
    expected = await expect_board(sql, "SELECT id AS user_id, rating AS value FROM users")
    assert [rank for rank, _, _ in expected] != sorted({rank for rank, _, _ in expected})
    assert await read_all(me, limit=100, by="rating") == expected


@pytest.mark.parametrize(("place", "first"), [(1, 1), (2, 1), (6, 4), (7, 5), (11, 8), (12, 8)])
async def test_around_me_is_always_full_and_contiguous(
    crowd: Crowd, sql: "Connection[Any]", place: int, first: int
) -> None:
    players = await stored(crowd, sql, *range(2000, 2012))
    me = players[-place]
    board = await read(me, around="me", limit=5)
    assert ranks(board) == [(rank, 2012 - rank) for rank in range(first, first + 5)]
    assert board["me"] == {"rank": place, "value": 2012 - place}
    following = (
        await read(me, limit=5, cursor=board["next_cursor"]) if board["next_cursor"] else {"items": []}
    )
    assert ranks(following) == [(rank, 2012 - rank) for rank in range(first + 5, min(first + 10, 13))]


async def test_around_me_in_the_middle_of_many_ties(crowd: Crowd, sql: "Connection[Any]") -> None:
    (me,) = await stored(crowd, sql, 1500)
    await add_players(sql, 300, ratings="1500")
    await add_players(sql, 10, ratings="1600")
    board = await read(me, around="me", limit=7)
    assert str(me.id) in {item["user"]["id"] for item in board["items"]}
    assert board["me"] == {"rank": 11, "value": 1500}


async def test_without_a_value_there_is_no_me_and_nothing_around(
    crowd: Crowd, sql: "Connection[Any]"
) -> None:
    (me,) = await stored(crowd, sql, 1500)
    await add_players(sql, 3)
    await add_finished_game(sql, {player: 100 for player in await list_users(sql) if player != me.id})
    board = await read(me, by="score")
    assert ranks(board) == [(1, 100)] * 3
    assert board["me"] is None
    assert await read(me, by="score", around="me") == {"items": [], "me": None, "next_cursor": None}


async def list_users(sql: "Connection[Any]") -> list[UUID]:
    return [row["id"] for row in await sql.fetch("SELECT id FROM users ORDER BY id")]


async def test_ratings_have_no_period(crowd: Crowd) -> None:
    response = await crowd.player().get("/v1/leaderboard", by="rating", period="week")
    assert (response.status_code, response.json()["type"]) == (422, "/problems/rating-has-no-period")


async def test_a_cursor_of_another_board_is_refused(crowd: Crowd, sql: "Connection[Any]") -> None:
    (me, _) = await stored(crowd, sql, 1500, 1600)
    cursor = (await read(me, limit=1))["next_cursor"]
    response = await me.get("/v1/leaderboard", by="score", cursor=cursor)
    assert response.status_code == 422


async def test_scores_and_wins_count_finished_games_of_plain_sql(
    crowd: Crowd, sql: "Connection[Any]"
) -> None:
    first, second, third = await stored(crowd, sql, 1500, 1500, 1500)
    await add_finished_game(sql, {first.id: 900, second.id: 900, third.id: 10})
    await add_finished_game(sql, {first.id: 5, second.id: 100})
    # Nobody wins alone.
    await add_finished_game(sql, {third.id: 2000})
    await add_finished_game(sql, {third.id: 5000, first.id: 1}, status="aborted")
    assert ranks(await read(first, by="score")) == [(1, 2010), (2, 1000), (3, 905)]
    wins = await read(first, by="wins")
    assert ranks(wins) == [(1, 2), (2, 1)]
    assert wins["me"] == {"rank": 2, "value": 1}
    assert (await read(third, by="wins"))["me"] is None


async def test_a_game_without_points_changes_nothing(crowd: Crowd, sql: "Connection[Any]") -> None:
    players = await stored(crowd, sql, *[1500] * 4)
    await add_finished_game(sql, {player.id: 100 * number for number, player in enumerate(players)})
    before = await read(players[1], by="score")
    await add_finished_game(sql, {player.id: 0 for player in players})
    assert await read(players[1], by="score") == before
    assert ranks(before) == [(1, 300), (2, 200), (3, 100)]


async def test_changes_of_plain_sql_move_players(crowd: Crowd, sql: "Connection[Any]") -> None:
    first, second = await stored(crowd, sql, 1500, 1500)
    game = await add_finished_game(sql, {first.id: 300, second.id: 200})
    await sql.execute("UPDATE game_participants SET score = 400 WHERE user_id = $1", second.id)
    assert ranks(await read(first, by="score")) == [(1, 400), (2, 300)]
    assert (await read(second, by="wins"))["me"] == {"rank": 1, "value": 1}
    assert (await read(first, by="wins"))["me"] is None
    await sql.execute("UPDATE games SET status = 'aborted' WHERE id = $1", game)
    assert await read(first, by="score") == {"items": [], "me": None, "next_cursor": None}
    await sql.execute("UPDATE games SET status = 'finished' WHERE id = $1", game)
    await sql.execute("DELETE FROM game_participants WHERE user_id = $1", second.id)
    assert ranks(await read(first, by="score")) == [(1, 300)]
    assert (await read(first, by="wins"))["me"] is None
    await sql.execute("DELETE FROM users WHERE id = $1", first.id)
    assert (await read(second, by="score"))["items"] == []


async def test_guests_are_on_no_board(crowd: Crowd, sql: "Connection[Any]", fast_games: FastGames) -> None:
    (winner,) = await stored(crowd, sql, 1500)
    guest, loser = await fast_games.add_player(is_guest=True), await fast_games.add_player()
    best = FastQuestion({guest: (RIGHT, 0), winner.id: (RIGHT, 10_000), loser: (WRONG, 0)})
    await fast_games.play([guest, winner.id, loser], [best])
    for by in ("rating", "score", "wins"):
        board = await read(winner, by=by)
        assert str(guest) not in {item["user"]["id"] for item in board["items"]}
    # The guest has won, though.
    assert (await read(winner, by="wins"))["items"] == []
    assert (await read(winner, by="score"))["me"] == {"rank": 1, "value": 750}


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
async def test_weeks_begin_on_monday_in_utc(crowd: Crowd, sql: "Connection[Any]", zone: str) -> None:
    """Games that ended at 23:59:59.9 on Sunday and at 00:00:00 on Monday are in two weeks."""
    await sql.execute(f"SET TIME ZONE '{zone}'")
    first, second = await stored(crowd, sql, 1500, 1500)
    for player, before_monday in ((first, timedelta(milliseconds=100)), (second, timedelta())):
        game = await add_finished_game(sql, {player.id: 500})
        await sql.execute(
            "UPDATE games SET ended_at = date_trunc('week', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"
            " - $1::interval WHERE id = $2",
            before_monday,
            game,
        )
    week = await read(first, by="score", period="week")
    assert [item["user"]["id"] for item in week["items"]] == [str(second.id)]
    assert ranks(await read(first, by="score")) == [(1, 500), (1, 500)]
    weeks = await sql.fetch(
        "SELECT period FROM standings WHERE board = 'score' AND period LIKE 'week %' ORDER BY period"
    )
    assert len(weeks) == 2


@pytest.mark.parametrize("period", ["month", "week", "day"])
async def test_a_period_counts_what_ended_in_it(crowd: Crowd, sql: "Connection[Any]", period: str) -> None:
    (me,) = await stored(crowd, sql, 1500)
    await add_finished_game(sql, {me.id: 100})
    old = await add_finished_game(sql, {me.id: 1000})
    await sql.execute("UPDATE games SET ended_at = now() - interval '32 days' WHERE id = $1", old)
    assert ranks(await read(me, by="score", period=period)) == [(1, 100)]
    assert ranks(await read(me, by="score")) == [(1, 1100)]
