"""The database goes away in a question: players are told, answers are refused, and the game goes on when it is back."""

import asyncio
from datetime import datetime

import pytest

from dbcommon.migrations import upgrade
from dbcommon.settings import DatabaseSettings
from tests.libs.webcommon.test_jwks import KeyServer
from tests.processes import two_processes
from tests.servers import TestServer
from tests.services.l2p.games.playing import QUESTIONS, following, start_game
from tests.services.l2p.players import Crowd
from tests.tokens import TokenMint

RULES = {"starting_ms": 0, "reveal_ms": 0, "time_limit_ms": 8000}


@pytest.mark.long
async def test_a_question_outlives_a_restart_of_the_database(
    own_server: TestServer, key_server: KeyServer, mint: TokenMint
) -> None:
    await asyncio.to_thread(upgrade, "l2p", own_server.url("l2p", role="owner"))
    database = DatabaseSettings(url=own_server.url("l2p"))
    async with two_processes("l2p", database, AUTH_JWKS_URL=key_server.url) as (driving, other):
        host, guest = Crowd(driving.client, mint).player(), Crowd(other.client, mint).player()
        lobby = await host.create(settings=RULES)
        await guest.join(lobby)
        async with following(other, lobby, guest) as follower:
            game = await start_game(host, lobby, questions=QUESTIONS[:1])
            question = (await follower.wait_for("question.opened"))["data"]["question"]
            await asyncio.to_thread(own_server.cluster.stop)
            while (paused := await follower.receive())["type"] != "game.paused":
                pass
            assert paused["seq"] is None
            body = {"question_id": question["id"], "answer": "4"}
            refused = await guest.post(f"/v1/games/{game['id']}/answers", body)
            assert refused.status_code == 503
            await asyncio.sleep(2)
            own_server.cluster.start()  # it ends with the thread that starts it
            resumed = await follower.wait_for("game.resumed")
            assert resumed["data"]["paused_ms"] >= 2000
            moved = datetime.fromisoformat(resumed["data"]["closes_at"]) - datetime.fromisoformat(
                question["closes_at"]
            )
            assert abs(moved.total_seconds() * 1000 - resumed["data"]["paused_ms"]) < 1
            answered = await follower.answer(question, "4")
            assert answered["type"] == "accepted", answered
            assert (await follower.wait_for("question.closed"))["data"]["you"]["is_correct"]
