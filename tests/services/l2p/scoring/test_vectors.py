"""The golden vectors hold for the rules in Python, and for the SQL that closes a question."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import pytest
from sqlalchemy import Row

from l2p.scoring.repository import count_scores
from l2p.scoring.rules import ScoreRules, rank_scores, score_answer
from tests.services.l2p.fast_games import RIGHT, WRONG, FastGames, FastQuestion

Connection = asyncpg.Connection

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[4] / "services/l2p/vectors/scores.json").read_text()
)
SCORES, RANKS = VECTORS["scores"], VECTORS["ranks"]


def rules_of(vector: dict[str, Any]) -> dict[str, bool]:
    return {name: vector[name] for name in ("speed_bonus", "streak_bonus")}


@pytest.mark.parametrize("vector", SCORES, ids=lambda vector: vector["name"])
def test_python_scores_as_the_vectors_say(vector: dict[str, Any]) -> None:
    given = {name: vector[name] for name in ("points", "time_limit_ms", "time_taken_ms", "streak")}
    assert score_answer(**given, rules=ScoreRules(**rules_of(vector))) == vector["score"]


@pytest.mark.parametrize("vector", RANKS, ids=str)
def test_python_ranks_as_the_vectors_say(vector: dict[str, Any]) -> None:
    assert rank_scores(vector["scores"]) == vector["ranks"]


async def test_sql_scores_as_the_vectors_say(fast_games: FastGames, sql: "Connection[Any]") -> None:
    player = await fast_games.add_player()
    counted = {}
    for vector in SCORES:
        question = FastQuestion(
            {player: (RIGHT, vector["time_taken_ms"])},
            points=vector["points"],
            time_limit_ms=vector["time_limit_ms"],
        )
        game = await fast_games.play_to_the_end([player], [question])
        # Counted once more, after a streak.
        await sql.execute("DELETE FROM question_results")
        await sql.execute("UPDATE questions SET closed_at = NULL WHERE game_id = $1", game.game_id)
        await sql.execute(
            "UPDATE game_participants SET streak = $1 WHERE game_id = $2", vector["streak"] - 1, game.game_id
        )
        locked = SimpleNamespace(id=game.game_id, current_question=0, settings=rules_of(vector))
        async with fast_games.database.transaction() as db:
            await count_scores(db, cast("Row[Any]", locked))
        row = await sql.fetchrow("SELECT points, streak FROM question_results")
        assert row is not None
        counted[vector["name"]] = tuple(row)
    assert counted == {vector["name"]: (vector["score"], vector["streak"]) for vector in SCORES}


@pytest.mark.parametrize("vector", [vector for vector in RANKS if vector["scores"]], ids=str)
async def test_sql_ranks_as_the_vectors_say(
    fast_games: FastGames, sql: "Connection[Any]", vector: dict[str, Any]
) -> None:
    players = [await fast_games.add_player() for _ in vector["scores"]]
    # A question for each player, which nobody else answers right.
    questions = [
        FastQuestion(dict.fromkeys(players, (WRONG, 0)) | {player: (RIGHT, 0)}, points=score)
        for player, score in zip(players, vector["scores"], strict=True)
    ]
    game = await fast_games.play(players, questions)
    rows = await sql.fetch("SELECT user_id, rank, score FROM game_participants WHERE game_id = $1", game)
    found = {row["user_id"]: (row["score"], row["rank"]) for row in rows}
    assert [found[player] for player in players] == list(zip(vector["scores"], vector["ranks"], strict=True))
