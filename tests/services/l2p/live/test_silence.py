"""Clients to whom nothing happens, and clients that are dead without saying so."""

import asyncio
import json
from typing import Any

import asyncpg
import httpx
import pytest

from tests.impatient_proxy import impatient_proxy
from tests.raw_sockets import open_unread
from tests.services.l2p.conftest import Pair
from tests.services.l2p.games.playing import QUICK, following, start_game, token_of
from tests.services.l2p.live.streaming import streaming
from tests.services.l2p.live.test_sockets import port_of
from tests.services.l2p.players import Crowd, Player
from tests.tokens import TokenMint

PROXY_SECONDS = 20
COMMENTS = 6
"""One comes every 15 s."""


@pytest.mark.long
async def test_silent_channels_stay_open_through_a_proxy(pair: Pair, mint: TokenMint) -> None:
    player = Crowd(pair[0].client, mint).player()
    lobby = await player.create()
    async with (
        impatient_proxy(port_of(pair[0]), seconds=PROXY_SECONDS) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
        following(pair[0], lobby, player, port=port) as follower,
        streaming(client, lobby, player) as stream,
    ):
        for _ in range(COMMENTS):
            async with asyncio.timeout(40):
                while await anext(stream.lines) != ": ":
                    pass
        assert (await player.post(f"/v1/lobbies/{lobby['id']}/ready", {"is_ready": True})).status_code == 204
        assert (await stream.wait_for("player.ready"))["data"]["is_ready"]
        assert (await follower.wait_for("player.ready"))["data"]["is_ready"]


async def is_told(sql: "asyncpg.Connection[Any]", lobby: dict[str, Any], player: Player, kind: str) -> bool:
    """Whether the lobby's log has such an event of the player."""
    statement = "SELECT EXISTS (SELECT FROM lobby_events WHERE lobby_id = $1 AND type = $2 AND data ->> 'user_id' = $3)"
    found: bool = await sql.fetchval(statement, lobby["id"], kind, str(player.id))
    return found


@pytest.mark.long
async def test_a_phone_that_wakes_up_is_the_same_player_with_the_same_score(
    pair: Pair, mint: TokenMint, pair_sql: "asyncpg.Connection[Any]"
) -> None:
    host, phone = (Crowd(process.client, mint).player() for process in pair)
    lobby = await host.create(settings=QUICK | {"time_limit_ms": 120_000})
    await phone.join(lobby)
    auth = json.dumps({"type": "auth", "token": token_of(phone)})
    path = f"/v1/lobbies/{lobby['id']}/events"
    async with following(pair[0], lobby, host) as follower:
        # Nobody reads from this socket, or answers its pings.
        async with open_unread(port_of(pair[1]), path, subprotocol="quartet.v1", first=auth):
            game = await start_game(host, lobby)
            question = (await follower.wait_for("question.opened"))["data"]["question"]
            body = {"question_id": question["id"], "answer": "4"}
            assert (await phone.post(f"/v1/games/{game['id']}/answers", body)).status_code == 202
            await follower.answer(question, "4")
            closed = (await follower.wait_for("question.closed"))["data"]
            (score,) = (row["score"] for row in closed["scores"] if row["user_id"] == str(phone.id))
            async with asyncio.timeout(60):
                while not await is_told(pair_sql, lobby, phone, "player.disconnected"):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        assert (await phone.join(lobby)).status_code == 200
        async with following(pair[1], lobby, phone) as awake:
            assert awake.welcome["data"]["game"]["you"]["score"] == score > 0
            question = awake.welcome["data"]["game"]["question"]
            assert (await awake.answer(question, "Jupiter"))["type"] == "accepted"
            await follower.answer(question, "Jupiter")
            assert (await awake.wait_for("game.finished"))["data"]["you"]["correct_answers"] == 2
    results = (await host.get(f"/v1/games/{game['id']}/results")).json()["items"]
    assert [row["user_id"] for row in results].count(str(phone.id)) == 1
    players = [row["user_id"] for row in (await host.look_at(lobby))["players"]]
    assert sorted(players) == sorted([str(host.id), str(phone.id)])
