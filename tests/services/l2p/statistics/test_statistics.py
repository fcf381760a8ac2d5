"""A player's statistics and finished games."""

from typing import Any
from uuid import UUID

import asyncpg

from tests.services.l2p.fast_games import RIGHT, WRONG, FastGames, FastQuestion
from tests.services.l2p.leaderboards.boards import add_finished_game
from tests.services.l2p.players import Crowd, Player

Connection = asyncpg.Connection

NOTHING = {
    "games_played": 0,
    "games_won": 0,
    "win_rate": 0,
    "questions_answered": 0,
    "correct_answers": 0,
    "accuracy": 0,
    "average_time_ms": 0,
    "best_streak": 0,
    "total_score": 0,
    "rating": 1500,
    "rating_history": [],
}


async def stored(crowd: Crowd) -> Player:
    player = crowd.player()
    assert (await player.get("/v1/users/me")).status_code == 200
    return player


async def read(player: Player, user_id: UUID | None = None) -> dict[str, Any]:
    response = await player.get(f"/v1/users/{user_id or player.id}/stats")
    assert response.status_code == 200, response.text
    statistics: dict[str, Any] = response.json()
    return statistics


async def test_without_a_game_all_numbers_are_zero(crowd: Crowd) -> None:
    player = await stored(crowd)
    assert await read(player) == NOTHING
    assert (await player.get(f"/v1/users/{player.id}/games")).json() == {"items": [], "next_cursor": None}


async def test_an_unknown_player_is_not_found(crowd: Crowd) -> None:
    player = await stored(crowd)
    for name in ("stats", "games"):
        response = await player.get(f"/v1/users/{UUID(int=7)}/{name}")
        assert response.status_code == 404


async def test_statistics_are_those_of_finished_games(crowd: Crowd, fast_games: FastGames) -> None:
    player = await stored(crowd)
    other = await fast_games.add_player()
    me = player.id
    # Right, right, nothing, right: the longest streak is two. 1,000 + 750 + 500 points.
    questions = [
        FastQuestion({me: (RIGHT, 0), other: (WRONG, 100)}),
        FastQuestion({me: (RIGHT, 10_000)}),
        FastQuestion({other: (RIGHT, 400)}),
        FastQuestion({me: (RIGHT, 20_000)}),
    ]
    first = await fast_games.play([me, other], questions)
    second = await fast_games.play([me, other], [FastQuestion({me: (WRONG, 6_000), other: (RIGHT, 0)})])
    statistics = await read(player)
    history = statistics.pop("rating_history")
    assert statistics == {
        "games_played": 2,
        "games_won": 1,
        "win_rate": 0.5,
        "questions_answered": 4,
        "correct_answers": 3,
        "accuracy": 0.75,
        "average_time_ms": 9_000,
        "best_streak": 2,
        "total_score": 2250,
        "rating": history[1]["rating"],
    }
    assert [change["game_id"] for change in history] == [str(first), str(second)]
    assert (history[0]["rating_before"], history[0]["rating"]) == (1500, 1658)
    assert history[1]["rating_before"] == 1658 > history[1]["rating"]
    assert await read(player, other) != statistics


async def test_aborted_and_running_games_count_nowhere(
    crowd: Crowd, fast_games: FastGames, sql: "Connection[Any]"
) -> None:
    player = await stored(crowd)
    other = await fast_games.add_player()
    question = FastQuestion({player.id: (RIGHT, 0), other: (WRONG, 0)})
    aborted = await fast_games.play_to_the_end([player.id, other], [question])
    await fast_games.play_to_the_end([player.id, other], [question])
    await sql.execute("UPDATE games SET status = 'aborted', ended_at = now() WHERE id = $1", aborted.game_id)
    assert await read(player) == NOTHING
    assert (await player.get(f"/v1/users/{player.id}/games")).json()["items"] == []


async def test_a_shared_first_rank_wins_and_a_game_alone_does_not(
    crowd: Crowd, sql: "Connection[Any]", fast_games: FastGames
) -> None:
    player = await stored(crowd)
    other = await fast_games.add_player()
    await add_finished_game(sql, {player.id: 500, other: 500})
    await add_finished_game(sql, {player.id: 500})
    statistics = await read(player)
    assert (statistics["games_played"], statistics["games_won"], statistics["total_score"]) == (2, 1, 1000)


async def test_a_finished_game_of_plain_sql_without_an_end_counts(
    crowd: Crowd, sql: "Connection[Any]", fast_games: FastGames
) -> None:
    player = await stored(crowd)
    game = await add_finished_game(sql, {player.id: 500, await fast_games.add_player(): 20})
    await sql.execute("UPDATE games SET ended_at = NULL WHERE id = $1", game)
    statistics = await read(player)
    assert (statistics["games_played"], statistics["games_won"], statistics["total_score"]) == (1, 1, 500)
    items = (await player.get(f"/v1/users/{player.id}/games")).json()["items"]
    assert [item["ended_at"] for item in items] == [items[0]["started_at"]]


async def test_who_came_late_is_not_wrong_in_what_was_before(crowd: Crowd, fast_games: FastGames) -> None:
    player, host = await stored(crowd), await stored(crowd)
    questions = [
        FastQuestion({host.id: (RIGHT, 0)}),
        FastQuestion({host.id: (RIGHT, 0), player.id: (RIGHT, 0)}),
    ]
    game = await fast_games.play([host.id, player.id], questions, late={player.id: 1})
    statistics = await read(player)
    assert (statistics["questions_answered"], statistics["accuracy"]) == (1, 1.0)
    played = (await player.get(f"/v1/games/{game}/questions")).json()["items"]
    users = [{answer["user_id"] for answer in question["answers"]} for question in played]
    assert users == [{str(host.id)}, {str(host.id), str(player.id)}]


async def test_pages_of_games_have_each_game_once_newest_first(
    crowd: Crowd, sql: "Connection[Any]", fast_games: FastGames
) -> None:
    player = await stored(crowd)
    other = await fast_games.add_player()
    games = [await add_finished_game(sql, {player.id: 10 * n, other: 25}) for n in range(7)]
    # Some end at the same moment.
    await sql.execute(
        "UPDATE games SET ended_at = date_trunc('hour', ended_at) WHERE id = ANY($1)", games[:4]
    )
    rated = await fast_games.play(
        [player.id, other], [FastQuestion({player.id: (RIGHT, 0), other: (WRONG, 0)})]
    )
    items, cursor = [], None
    while True:
        page = (
            await player.get(
                f"/v1/users/{player.id}/games", limit=3, **({} if cursor is None else {"cursor": cursor})
            )
        ).json()
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len({item["game_id"] for item in items}) == len(items) == 8
    assert [item["ended_at"] for item in items] == sorted((item["ended_at"] for item in items), reverse=True)
    newest = items[0]
    assert {name: newest[name] for name in newest.keys() - {"started_at", "ended_at"}} == {
        "game_id": str(rated),
        "question_count": 1,
        "player_count": 2,
        "rank": 1,
        "score": 1000,
        "correct_answers": 1,
        "rating_before": 1500,
        "rating": 1658,
    }
    by_game = {item["game_id"]: item for item in items}
    assert [by_game[str(game)]["rank"] for game in games] == [2, 2, 2, 1, 1, 1, 1]
    assert by_game[str(games[0])]["rating"] is None
