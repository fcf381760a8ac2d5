"""A finished game rates its players once, with its end."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from l2p.driver.phases import LeaseLost
from l2p.log.log import LobbyLog
from l2p.ratings.calculation import Entry, Rating, rate
from tests.services.l2p.fast_games import RIGHT, WRONG, FastGames, FastQuestion, make_phases
from tests.services.l2p.players import Crowd

Connection = asyncpg.Connection


def won_by(winner: UUID, *losers: UUID) -> FastQuestion:
    """A question that one player answers right, and the others wrong."""
    return FastQuestion({winner: (RIGHT, 0)} | dict.fromkeys(losers, (WRONG, 0)))


async def read_ratings(sql: "Connection[Any]", *players: UUID) -> list[int]:
    rows: Mapping[UUID, int] = dict(
        await sql.fetch("SELECT id, rating FROM users WHERE id = ANY($1)", list(players))
    )
    return [rows[player] for player in players]


async def count_changes(sql: "Connection[Any]", game_id: UUID) -> int:
    number: int = await sql.fetchval(
        "SELECT count(*) FROM rating_changes JOIN game_participants AS part ON part.id = participant_id"
        " WHERE part.game_id = $1",
        game_id,
    )
    return number


async def test_the_winner_rises_and_the_loser_falls(fast_games: FastGames, sql: "Connection[Any]") -> None:
    winner, loser = await fast_games.add_player(), await fast_games.add_player()
    game = await fast_games.play([winner, loser], [won_by(winner, loser)])
    assert await read_ratings(sql, winner, loser) == [1658, 1342]
    finished = json.loads(
        await sql.fetchval(
            "SELECT data FROM lobby_events WHERE type = 'game.finished' AND data ->> 'game_id' = $1",
            str(game),
        )
    )
    assert [
        (row["user_id"], row["rank"], row["rating_before"], row["rating"]) for row in finished["podium"]
    ] == [(str(winner), 1, 1500, 1658), (str(loser), 2, 1500, 1342)]


async def test_the_results_show_the_change(
    fast_games: FastGames, crowd: Crowd, client: httpx.AsyncClient
) -> None:
    winner, loser, idle = crowd.players(3)
    for player in (winner, loser, idle):
        await player.get("/v1/users/me")
    players = [winner.id, loser.id, idle.id]
    game = await fast_games.play(players, [won_by(winner.id, loser.id)])
    results = (await winner.get(f"/v1/games/{game}/results")).json()
    changes = {row["user_id"]: (row["rating_before"], row["rating"]) for row in results["items"]}
    assert changes == {
        str(winner.id): (1500, 1658),
        str(loser.id): (1500, 1342),
        str(idle.id): (None, None),
    }
    assert (await winner.get("/v1/users/me")).json()["rating"] == 1658


async def test_who_answered_nothing_is_not_rated_and_does_not_count_for_others(
    fast_games: FastGames, sql: "Connection[Any]"
) -> None:
    winner, loser, idle = [await fast_games.add_player() for _ in range(3)]
    await fast_games.play([idle, winner, loser], [won_by(winner, loser)])
    assert await read_ratings(sql, winner, loser, idle) == [1658, 1342, 1500]


async def test_a_game_of_one_player_who_answered_rates_nobody(
    fast_games: FastGames, sql: "Connection[Any]"
) -> None:
    alone, idle = [await fast_games.add_player() for _ in range(2)]
    game = await fast_games.play([alone, idle], [won_by(alone)])
    assert await count_changes(sql, game) == 0
    assert await read_ratings(sql, alone, idle) == [1500, 1500]


async def test_a_guest_is_not_rated(fast_games: FastGames, sql: "Connection[Any]") -> None:
    winner, loser = await fast_games.add_player(), await fast_games.add_player()
    guest = await fast_games.add_player(is_guest=True)
    await fast_games.play([winner, loser, guest], [won_by(guest, winner, loser), won_by(winner, loser)])
    assert await read_ratings(sql, winner, loser, guest) == [1658, 1342, 1500]


async def test_a_rating_that_sql_wrote_is_where_the_next_game_begins(
    fast_games: FastGames, sql: "Connection[Any]"
) -> None:
    winner, loser = await fast_games.add_player(), await fast_games.add_player()
    await fast_games.play([winner, loser], [won_by(winner, loser)])
    await sql.execute("UPDATE users SET rating = 1800 WHERE id = $1", winner)
    sigma = await sql.fetchval("SELECT rating_sigma FROM users WHERE id = $1", winner)
    other = await fast_games.add_player()
    await fast_games.play([winner, other], [won_by(other, winner)])
    after = rate([Entry(2, Rating(30.0, sigma)), Entry(1, Rating(25.0, 25 / 3))])
    assert await read_ratings(sql, winner, other) == [rating.shown for rating in after]


async def test_a_rating_never_falls_below_zero(fast_games: FastGames, sql: "Connection[Any]") -> None:
    winner, loser = await fast_games.add_player(), await fast_games.add_player(rating=30)
    await fast_games.play([winner, loser], [won_by(winner, loser)])
    assert (await read_ratings(sql, loser))[0] == 0
    assert await sql.fetchval("SELECT rating_mu FROM users WHERE id = $1", loser) < 0


async def test_games_of_one_player_that_finish_at_once_are_all_applied(
    fast_games: FastGames, sql: "Connection[Any]"
) -> None:
    player = await fast_games.add_player()
    leases = []
    for _ in range(6):
        other = await fast_games.add_player()
        leases.append(await fast_games.play_to_the_end([player, other], [won_by(player, other)]))
    positions = await asyncio.gather(*(fast_games.finish(lease) for lease in leases))
    assert all(position.is_over for position in positions)
    changes = await sql.fetch(
        "SELECT mu_before, mu FROM rating_changes JOIN game_participants AS part ON part.id = participant_id"
        " WHERE part.user_id = $1 ORDER BY mu",
        player,
    )
    earlier, later = [change["mu_before"] for change in changes], [change["mu"] for change in changes]
    assert earlier == [25.0, *later[:-1]]
    assert await sql.fetchval("SELECT rating_mu FROM users WHERE id = $1", player) == later[-1]


async def test_a_game_is_rated_once_whoever_finishes_it(
    fast_games: FastGames, sql: "Connection[Any]"
) -> None:
    winner, loser = await fast_games.add_player(), await fast_games.add_player()
    lease = await fast_games.play_to_the_end([winner, loser], [won_by(winner, loser)])
    ends = await asyncio.gather(*(fast_games.finish(lease) for _ in range(5)), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["LeaseLost"] * 4 + ["Position"]
    assert await read_ratings(sql, winner, loser) == [1658, 1342]
    assert await count_changes(sql, lease.game_id) == 2


class _BrokenLog(LobbyLog):
    """Fails at the last write of the transaction that finishes a game, as a process that dies there would."""

    async def append(self, *_arguments: object) -> None:
        raise RuntimeError


async def test_a_driver_that_dies_at_the_end_leaves_the_game_to_be_finished_and_rated(
    fast_games: FastGames, sql: "Connection[Any]"
) -> None:
    winner, loser = await fast_games.add_player(), await fast_games.add_player()
    lease = await fast_games.play_to_the_end([winner, loser], [won_by(winner, loser)])
    dying = make_phases(fast_games.database, log=_BrokenLog(lambda _lobby, _seq: None))
    with pytest.raises(RuntimeError):
        await dying.step(lease)
    assert await read_ratings(sql, winner, loser) == [1500, 1500]
    assert (await fast_games.finish(lease)).is_over
    assert await read_ratings(sql, winner, loser) == [1658, 1342]
    with pytest.raises(LeaseLost):
        await fast_games.finish(lease)
