"""Results as JSON, CSV and in the events: one ranking, by number."""

import csv
import io
import json
from typing import Any

import asyncpg

from tests.services.l2p.fast_games import RIGHT, WRONG, FastGames, FastQuestion
from tests.services.l2p.players import Crowd

Connection = asyncpg.Connection


async def test_all_tell_the_same_ranks_by_number(
    crowd: Crowd, fast_games: FastGames, sql: "Connection[Any]"
) -> None:
    """Scores of 900, 1,000, 10,000 and a tie: as text, 900 would be first."""
    players = crowd.players(4)
    for player in players:
        await player.get("/v1/users/me")
    a, b, c, d = (player.id for player in players)
    wrong = dict.fromkeys((a, b, c, d), (WRONG, 0))
    questions = [
        FastQuestion(wrong | {a: (RIGHT, 0)}, points=900),
        FastQuestion(wrong | {b: (RIGHT, 0), c: (RIGHT, 0)}, points=1000),
        FastQuestion(wrong | {d: (RIGHT, 0)}, points=10_000),
    ]
    game = await fast_games.play([a, b, c, d], questions)
    expected = {str(d): (1, 10_000), str(b): (2, 1000), str(c): (2, 1000), str(a): (4, 900)}

    results = (await players[0].get(f"/v1/games/{game}/results")).json()["items"]
    response = await players[0].get(f"/v1/games/{game}/results", format="csv")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == f'attachment; filename="results-{game}.csv"'
    rows = list(csv.DictReader(io.StringIO(response.text)))
    finished = json.loads(
        await sql.fetchval(
            "SELECT data FROM lobby_events WHERE type = 'game.finished' AND data ->> 'game_id' = $1",
            str(game),
        )
    )["podium"]
    last = await sql.fetch(
        "SELECT part.user_id::text, result.rank, result.score FROM question_results AS result"
        " JOIN game_participants AS part ON part.id = result.participant_id"
        " JOIN questions AS question ON question.id = result.question_id"
        " WHERE question.game_id = $1 AND question.order_index = 2",
        game,
    )
    for ranking in (results, rows, finished, last):
        assert {row["user_id"]: (int(row["rank"]), int(row["score"])) for row in ranking} == expected
    assert [row["rank"] for row in results] == [1, 2, 2, 4]
    assert [row["rank"] for row in rows] == ["1", "2", "2", "4"]


async def test_texts_of_the_csv_are_guarded_and_numbers_are_bare(
    crowd: Crowd, fast_games: FastGames, sql: "Connection[Any]"
) -> None:
    player, late = crowd.players(2)
    for each in (player, late):
        await each.get("/v1/users/me")
    await sql.execute("UPDATE users SET username = '=1+1' WHERE id = $1", player.id)
    questions = [
        FastQuestion({player.id: (RIGHT, 0)}),
        FastQuestion({player.id: (WRONG, 700), late.id: (RIGHT, 9)}),
    ]
    game = await fast_games.play([player.id, late.id], questions, late={late.id: 1})
    await sql.execute("UPDATE answers SET answer = '@sum, \"a\"' WHERE NOT is_correct")
    await sql.execute("UPDATE answers SET answer = '-4' WHERE time_taken_ms = 0")
    text = (await player.get(f"/v1/games/{game}/results", format="csv")).text
    rows = {row["user_id"]: row for row in csv.DictReader(io.StringIO(text))}
    own = rows[str(player.id)]
    assert (own["username"], own["question_1_answer"], own["question_2_answer"]) == (
        "'=1+1",
        "-4",
        '\'@sum, "a"',
    )
    assert (own["question_1_is_correct"], own["question_2_is_correct"]) == ("true", "false")
    assert (own["question_1_points"], own["question_2_time_taken_ms"]) == ("1000", "700")
    assert [rows[str(late.id)][f"question_1_{name}"] for name in ("answer", "is_correct", "points")] == [
        ""
    ] * 3


async def test_another_format_is_refused(crowd: Crowd, fast_games: FastGames) -> None:
    player = crowd.player()
    await player.get("/v1/users/me")
    game = await fast_games.play([player.id], [FastQuestion({player.id: (RIGHT, 0)})])
    assert (await player.get(f"/v1/games/{game}/results", format="xml")).status_code == 422
