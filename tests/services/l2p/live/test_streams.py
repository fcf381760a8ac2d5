"""Server-sent events: the channel of a lobby for networks that block sockets."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.processes import Running
from tests.raw_sockets import connect_unread
from tests.services.l2p.conftest import Pair
from tests.services.l2p.games.playing import QUESTIONS, QUICK, following, start_game
from tests.services.l2p.live.streaming import streaming
from tests.services.l2p.live.test_sockets import count_connections, flood, port_of
from tests.services.l2p.players import Crowd, Player
from tests.tokens import TokenMint


@pytest.fixture
def process(pair: Pair) -> Running:
    return pair[0]


@pytest.fixture
def player(process: Running, mint: TokenMint) -> Player:
    return Crowd(process.client, mint).player()


async def test_a_whole_game_is_played_over_http(pair: Pair, player: Player, mint: TokenMint) -> None:
    host = Crowd(pair[1].client, mint).player()
    lobby = await host.create(settings=QUICK)
    await player.join(lobby)
    async with (
        following(pair[1], lobby, host) as follower,
        streaming(player.client, lobby, player) as stream,
    ):
        welcome = await stream.receive()
        assert welcome["type"] == "welcome"
        assert welcome["data"]["lobby"]["id"] == lobby["id"]
        assert stream.ids == [welcome["seq"]]
        game = await start_game(host, lobby)
        for wanted in QUESTIONS:
            question = (await stream.wait_for("question.opened"))["data"]["question"]
            body = {"question_id": question["id"], "answer": wanted["correct_answer"]}
            accepted = await player.post(f"/v1/games/{game['id']}/answers", body)
            assert accepted.status_code == 202
            opened = await follower.wait_for("question.opened")
            await follower.answer(opened["data"]["question"], str(wanted["correct_answer"]))
            assert (await stream.wait_for("question.closed"))["data"]["you"]["is_correct"]
        await stream.wait_for("game.finished")
    assert stream.ids == list(range(welcome["seq"], stream.ids[-1] + 1))


async def test_a_stream_goes_on_after_the_last_event(pair: Pair, player: Player) -> None:
    lobby = await player.create()
    # Connections that come and go are events, too, at any moment between these.
    ready_at = []
    async with streaming(pair[1].client, lobby, player) as stream:
        name = (await stream.receive())["data"]["stream"]
        for ready in (True, False, True):
            await player.post(f"/v1/lobbies/{lobby['id']}/ready", {"is_ready": ready})
            await stream.wait_for("player.ready")
            ready_at.append(stream.ids[-1])
    _, seen, last = ready_at
    for query in (
        {"after": seen},
        {"after": 0, "last_event_id": seen},
        {"after": seen, "stream": name},
    ):
        async with streaming(pair[1].client, lobby, player, **query) as stream:
            welcome = await stream.receive()
            assert (welcome["type"], welcome["data"]) == ("welcome", {"stream": name})
            assert (await stream.wait_for("player.ready"))["data"]["is_ready"]
            assert stream.ids == list(range(seen, last + 1))
    foreign = {"after": seen, "stream": lobby["id"]}
    for query in (foreign, {"after": last + 1000}, {"after": 2**63 - 1}):
        async with streaming(pair[0].client, lobby, player, **query) as stream:
            assert (await stream.receive())["type"] == "resync"
            assert stream.ids[0] >= last


async def test_a_stream_says_why_it_ends(process: Running, player: Player) -> None:
    lobby = await player.create()
    async with streaming(process.client, lobby, player) as stream:
        await player.leave(lobby)
        assert (await stream.wait_for("lobby.closed"))["data"] == {"reason": "empty"}
        assert (await stream.receive())["data"] == {"code": 4410}
        with pytest.raises(StopAsyncIteration):
            await stream.receive()
    closed = await player.get(f"/v1/lobbies/{lobby['id']}/events")
    assert (closed.status_code, closed.json()["type"]) == (409, "/problems/lobby-closed")


async def test_who_may_not_follow_is_refused(process: Running, player: Player, mint: TokenMint) -> None:
    lobby = await player.create(settings={"is_private": True})
    path = f"/v1/lobbies/{lobby['id']}/events"
    stranger = Crowd(process.client, mint).player()
    assert (await stranger.get(path)).status_code == 404
    assert (await process.client.get(path)).status_code == 401
    assert (await process.client.head(path, headers=player.headers)).status_code == 405
    for wrong in ({"after": "x"}, {"after": "-1"}, {"stream": "x"}):
        assert (await player.get(path, **wrong)).status_code == 422


async def test_a_stream_that_nobody_reads_is_cut_off(
    process: Running, player: Player, pair_sql: "asyncpg.Connection[Any]"
) -> None:
    lobby = await player.create()
    loop = asyncio.get_running_loop()
    with await connect_unread(port_of(process)) as raw:
        lines = [f"GET /v1/lobbies/{lobby['id']}/events HTTP/1.1", "Host: x"]
        lines += [f"{name}: {value}" for name, value in player.headers.items()]
        await loop.sock_sendall(raw, "\r\n".join([*lines, "", ""]).encode())
        port = raw.getsockname()[1]
        async with following(process, lobby, player) as follower:
            await flood(pair_sql, lobby, follower)
            async with asyncio.timeout(30):
                while count_connections(process, port):  # noqa: ASYNC110  another process ends it
                    await asyncio.sleep(0.05)
