"""The way over the network is taken off a player's time, as far as the server measured it and the limits go."""

from typing import Any
from uuid import UUID

import asyncpg

from l2p.answers.repository import LAG_PER_GAME, LAG_PER_QUESTION
from l2p.live.parts import LiveParts
from tests.services.l2p.conftest import Pair
from tests.services.l2p.following import command, wait_for_phase
from tests.services.l2p.games.playing import QUESTIONS, QUICK, following, start_game
from tests.services.l2p.players import Crowd, Player
from tests.slow_network import slow_network
from tests.tokens import TokenMint
from webcommon.app.service import Service

WAY_SECONDS = 0.06


async def find_answer(sql: "asyncpg.Connection[Any]", player: Player) -> "asyncpg.Record":
    """The player's only answer, with the time that had passed when it arrived."""
    rows = await sql.fetch(
        """
        SELECT given.time_taken_ms, given.lag_credit_ms,
            floor(extract(epoch FROM given.submitted_at - question.opens_at) * 1000)::integer AS passed_ms
        FROM answers AS given JOIN questions AS question ON question.id = given.question_id
        JOIN game_participants AS part ON part.id = given.participant_id WHERE part.user_id = $1
        """,
        player.id,
    )
    row: asyncpg.Record
    (row,) = rows
    return row


async def test_a_far_player_has_the_way_back_and_a_client_of_http_nothing(
    pair: Pair, mint: TokenMint, pair_sql: "asyncpg.Connection[Any]"
) -> None:
    far, near = Crowd(pair[0].client, mint).players(2)
    lobby = await far.create(settings=QUICK)
    await near.join(lobby)
    port = pair[0].client.base_url.port
    assert port is not None
    async with (
        slow_network(port, seconds=WAY_SECONDS) as slow_port,
        following(pair[0], lobby, far, port=slow_port) as follower,
    ):
        game = await start_game(far, lobby, questions=QUESTIONS[:1])
        question = (await follower.wait_for("question.opened"))["data"]["question"]
        body = {"question_id": question["id"], "answer": "4"}
        assert (await near.post(f"/v1/games/{game['id']}/answers", body)).status_code == 202
        accepted = await follower.answer(question, "4")
    row = await find_answer(pair_sql, far)
    assert 2 * WAY_SECONDS * 1000 <= row["lag_credit_ms"] <= LAG_PER_QUESTION
    assert row["time_taken_ms"] == row["passed_ms"] - row["lag_credit_ms"]
    assert accepted["data"]["time_taken_ms"] == row["time_taken_ms"]
    over_http = await find_answer(pair_sql, near)
    assert (over_http["lag_credit_ms"], over_http["time_taken_ms"]) == (0, over_http["passed_ms"])


async def test_a_client_that_holds_its_pongs_back_gains_no_more_than_the_limits(
    app: Service, crowd: Crowd, sql: "asyncpg.Connection[Any]"
) -> None:
    player = crowd.player()
    lobby = await player.create(settings=QUICK | {"time_limit_ms": 120_000})
    game = await start_game(player, lobby, questions=QUESTIONS[:1] * 7)
    batches = app.component(LiveParts).batches
    credited = []
    for _ in range(7):
        question = (await wait_for_phase(player, game, "question"))["question"]
        await sql.execute(
            "UPDATE questions SET opens_at = opens_at - interval '10 s' WHERE id = $1", question["id"]
        )
        await batches.submit(
            UUID(game["id"]), user_id=player.id, question_id=UUID(question["id"]), answer="4", lag_ms=60_000
        )
        (stored,) = await sql.fetch(
            "SELECT lag_credit_ms, time_taken_ms FROM answers WHERE question_id = $1", question["id"]
        )
        assert stored["time_taken_ms"] >= 10_000 - LAG_PER_QUESTION
        credited.append(stored["lag_credit_ms"])
        await command(player, game, "close")
    assert credited == [LAG_PER_QUESTION] * 6 + [0]
    assert sum(credited) == LAG_PER_GAME
