"""A game that is over is computed anew from its answers: equal, or a list of what is not."""

import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from l2p.ratings.calculator import RatingCalculator
from l2p.verification.service import verify_game
from tests.services.l2p.fast_games import RIGHT, WRONG, FastGames, FastQuestion
from tests.services.l2p.players import Crowd, Player

Connection = asyncpg.Connection


async def verify(player: Player, game_id: UUID) -> dict[str, Any]:
    response = await player.post(f"/v1/games/{game_id}/verify")
    assert response.status_code == 200, response.text
    verification: dict[str, Any] = response.json()
    return verification


def make_questions(source: random.Random, players: Sequence[UUID]) -> list[FastQuestion]:
    """A few questions that some of the players answer."""
    questions = []
    for _ in range(source.randint(1, 4)):
        limit = source.choice([5_000, 20_000, 30_000])
        answers = {
            player: (
                source.choice([RIGHT, RIGHT, WRONG]),
                source.choice([0, 499, 500, source.randint(0, limit)]),
            )
            for player in players
            if source.random() < 0.8
        }
        points = source.choice([0, 1, 333, 1000, 10_000])
        questions.append(FastQuestion(answers, points=points, time_limit_ms=limit))
    return questions


async def play_and_verify(fast_games: FastGames, *, number: int, seed: int) -> None:
    """Random games of random players of one crowd, whose ratings move from game to game."""
    source = random.Random(seed)  # noqa: S311 - reproducible, and nothing secret
    everybody = [await fast_games.add_player() for _ in range(10)]
    everybody.append(await fast_games.add_player(is_guest=True))
    for _ in range(number):
        players = source.sample(everybody, k=source.randint(1, 8))
        late = {player: 1 for player in players[2:] if source.random() < 0.2}
        questions = make_questions(source, players)
        # Who is late has no answer to the first question.
        first = questions[0]
        questions[0] = FastQuestion(
            {player: answer for player, answer in first.answers.items() if player not in late},
            points=first.points,
            time_limit_ms=first.time_limit_ms,
        )
        bonuses = {"speed_bonus": source.random() < 0.8, "streak_bonus": source.random() < 0.5}
        game = await fast_games.play(players, questions, late=late, **bonuses)
        found = await verify_game(fast_games.database, RatingCalculator(), game, user_id=players[0])
        assert found.is_equal, found.differences


async def test_fifty_random_games_are_equal(fast_games: FastGames) -> None:
    await play_and_verify(fast_games, number=50, seed=50)


@pytest.mark.long
async def test_a_thousand_random_games_are_equal(fast_games: FastGames) -> None:
    await play_and_verify(fast_games, number=1000, seed=1000)


@pytest.fixture
async def played(crowd: Crowd, fast_games: FastGames) -> tuple[Player, Player, UUID]:
    """A winner, a loser, and their game of two questions."""
    winner, loser = crowd.players(2)
    for player in (winner, loser):
        await player.get("/v1/users/me")
    question = FastQuestion({winner.id: (RIGHT, 0), loser.id: (WRONG, 0)})
    return winner, loser, await fast_games.play([winner.id, loser.id], [question, question])


CHANGES = [
    ("UPDATE question_results SET points = points + 1 WHERE participant_id = {winner}", {"points"}),
    ("UPDATE question_results SET rank = 3 WHERE participant_id = {loser}", {"rank"}),
    ("UPDATE game_participants SET score = score + 1 WHERE id = {loser}", {"final_score"}),
    ("UPDATE game_participants SET rank = 1 WHERE id = {loser}", {"final_rank"}),
    ("UPDATE rating_changes SET rating = 3000, mu = 50 WHERE participant_id = {winner}", {"mu", "rating"}),
    ("UPDATE answers SET is_correct = true WHERE participant_id = {loser}", {"is_correct"}),
    ("DELETE FROM rating_changes WHERE participant_id = {loser}", {"is_rated"}),
]


@pytest.mark.parametrize(("change", "subjects"), CHANGES)
async def test_what_was_changed_is_listed(
    played: tuple[Player, Player, UUID], sql: "Connection[Any]", change: str, subjects: set[str]
) -> None:
    winner, loser, game = played
    assert await verify(loser, game) == {
        "game_id": str(game),
        "is_equal": True,
        "difference_count": 0,
        "differences": [],
    }
    ids = dict(await sql.fetch("SELECT user_id, id FROM game_participants WHERE game_id = $1", game))
    await sql.execute(change.format(winner=f"'{ids[winner.id]}'", loser=f"'{ids[loser.id]}'"))
    found = await verify(winner, game)
    assert not found["is_equal"]
    assert {difference["subject"] for difference in found["differences"]} == subjects
    changed = str(winner.id if "{winner}" in change else loser.id)
    assert {difference["user_id"] for difference in found["differences"]} == {changed}


async def test_an_answer_that_was_deleted_shows_in_what_followed(
    played: tuple[Player, Player, UUID], sql: "Connection[Any]"
) -> None:
    winner, _, game = played
    await sql.execute(
        "DELETE FROM answers WHERE is_correct AND question_id ="
        " (SELECT id FROM questions WHERE game_id = $1 AND order_index = 0)",
        game,
    )
    found = (await verify(winner, game))["differences"]
    points = [difference for difference in found if difference["subject"] == "points"]
    assert [(row["order_index"], row["stored"], row["computed"]) for row in points] == [(0, 1000, 0)]
    assert ("final_score", 2000, 1000) in {(row["subject"], row["stored"], row["computed"]) for row in found}


async def test_a_game_of_a_deleted_account_is_still_equal(
    played: tuple[Player, Player, UUID], sql: "Connection[Any]"
) -> None:
    winner, loser, game = played
    await sql.execute("DELETE FROM users WHERE id = $1", loser.id)
    assert (await verify(winner, game))["is_equal"]


async def test_an_aborted_game_has_no_ranks_and_rates_nobody(
    crowd: Crowd, fast_games: FastGames, sql: "Connection[Any]"
) -> None:
    player = crowd.player()
    await player.get("/v1/users/me")
    other = await fast_games.add_player()
    question = FastQuestion({player.id: (RIGHT, 0), other: (WRONG, 0)})
    lease = await fast_games.play_to_the_end([player.id, other], [question])
    running = await player.post(f"/v1/games/{lease.game_id}/verify")
    assert (running.status_code, running.json()["type"]) == (409, "/problems/game-not-over")
    await sql.execute("UPDATE games SET status = 'aborted', ended_at = now() WHERE id = $1", lease.game_id)
    assert (await verify(player, lease.game_id))["is_equal"]


async def test_strangers_verify_nothing(played: tuple[Player, Player, UUID], crowd: Crowd) -> None:
    response = await crowd.player().post(f"/v1/games/{played[2]}/verify")
    assert response.status_code == 404
