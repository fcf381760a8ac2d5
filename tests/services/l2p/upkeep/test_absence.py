"""Who is gone is told, an absent host hands over, an empty game waits, an idle lobby closes."""

import asyncio
import contextlib
from datetime import datetime
from typing import Any

import asyncpg
import pytest

from l2p.settings import Settings
from tests.libs.webcommon.test_jwks import KeyServer
from tests.processes import Running, two_processes
from tests.services.l2p.games.playing import QUESTIONS, following, start_game
from tests.services.l2p.players import Crowd
from tests.sockets import open_socket
from tests.tokens import TokenMint

Pair = tuple[Running, Running]
SLOW = {"starting_ms": 0, "time_limit_ms": 120_000}


def seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


class States:
    """Reads lobbies by plain SQL: a request would count as a connection."""

    def __init__(self, sql: "asyncpg.Connection[Any]") -> None:
        self._sql = sql
        self._turn = asyncio.Lock()

    async def wait_for(self, column: str, value: str, lobby: dict[str, Any]) -> None:
        """Wait until the column of the lobby has the value. Raises `TimeoutError`."""
        statement = f"SELECT {column} FROM lobbies WHERE id = $1"  # noqa: S608 - a column of this file
        async with asyncio.timeout(120):
            while await self._read(statement, lobby["id"]) != value:  # noqa: ASYNC110 - plain rows
                await asyncio.sleep(0.5)

    async def _read(self, statement: str, lobby_id: str) -> Any:
        async with self._turn:
            return await self._sql.fetchval(statement, lobby_id)


@pytest.mark.long
async def test_those_who_are_gone(
    settings: Settings, key_server: KeyServer, mint: TokenMint, sql: "asyncpg.Connection[Any]"
) -> None:
    assert settings.database is not None
    names = {"AUTH_JWKS_URL": key_server.url, "L2P_IDLE_SECONDS": "30"}
    states = States(sql)
    async with two_processes("l2p", settings.database, **names) as pair:
        handed_over = asyncio.Event()
        await asyncio.gather(
            hand_over_when_the_host_is_gone(pair, mint, states),
            wait_while_nobody_is_there(pair, mint, states),
            close_when_nobody_comes_back(pair, mint, states),
            *(hand_over_in(phase, pair, mint, states) for phase in PHASES),
            hand_over_whoever_knocks(pair, mint, states, handed_over),
            keep_the_host_who_comes_back(pair, mint, states, handed_over),
            say_nothing_of_an_old_socket(pair, mint, handed_over),
        )


async def hand_over_when_the_host_is_gone(pair: Pair, mint: TokenMint, states: States) -> None:
    host, guest = Crowd(pair[0].client, mint).player(), Crowd(pair[1].client, mint).player()
    lobby = await host.create(settings=SLOW)
    await guest.join(lobby)
    async with following(pair[1], lobby, guest) as follower:
        async with following(pair[0], lobby, host):
            game = await start_game(host, lobby)
            await follower.wait_for("question.opened")
        await states.wait_for("host_id::text", str(guest.id), lobby)
        left = await follower.wait_for("player.disconnected")
        assert left["data"]["user_id"] == str(host.id)
        changed = await follower.wait_for("host.changed")
        assert changed["data"]["host_id"] == str(guest.id)
        assert (await guest.post(f"/v1/games/{game['id']}/abort")).status_code == 200
        started = next(event for event in follower.events if event["type"] == "game.started")
        # The host's last call started the game, and the socket was closed just after it.
        assert seconds_between(started["at"], changed["at"]) >= 14.5
        assert [event["type"] for event in follower.events].count("host.changed") == 1


async def wait_while_nobody_is_there(pair: Pair, mint: TokenMint, states: States) -> None:
    host = Crowd(pair[0].client, mint).player()
    lobby = await host.create(settings=SLOW)
    async with following(pair[0], lobby, host) as follower:
        await start_game(host, lobby, questions=QUESTIONS[:1])
        opened = await follower.wait_for("question.opened")
        stream, last_seq = follower.welcome["data"]["stream"], follower.events[-1]["seq"]
    await states.wait_for("(SELECT status FROM games WHERE lobby_id = lobbies.id)", "paused", lobby)
    async with following(pair[1], lobby, host, stream=stream, last_seq=last_seq) as follower:
        paused = await follower.wait_for("game.paused")
        assert paused["data"]["reason"] == "nobody connected"
        resumed = await follower.wait_for("game.resumed")
        given = seconds_between(opened["data"]["question"]["closes_at"], resumed["data"]["closes_at"])
        assert given == pytest.approx(seconds_between(paused["at"], resumed["at"]), abs=0.1)
        answered = await follower.answer(opened["data"]["question"], str(QUESTIONS[0]["correct_answer"]))
        assert answered["type"] == "accepted"
        await follower.wait_for("question.closed")


async def close_when_nobody_comes_back(pair: Pair, mint: TokenMint, states: States) -> None:
    host = Crowd(pair[0].client, mint).player()
    lobby = await host.create(settings=SLOW)
    game = await start_game(host, lobby)
    await states.wait_for("status", "closed", lobby)
    assert (await host.look_at(lobby))["status"] == "closed"
    assert (await host.get(f"/v1/games/{game['id']}")).json()["status"] == "aborted"


PHASES = {
    "starting": {"starting_ms": 10_000},
    "reveal": {"starting_ms": 0, "reveal_ms": 60_000, "time_limit_ms": 120_000},
    "paused": SLOW,
}


async def hand_over_in(phase: str, pair: Pair, mint: TokenMint, states: States) -> None:
    """A host who is gone in this phase is followed by one who can do all that a host does."""
    host, guest = Crowd(pair[0].client, mint).player(), Crowd(pair[1].client, mint).player()
    lobby = await host.create(settings=PHASES[phase])
    await guest.join(lobby)
    async with following(pair[1], lobby, guest) as follower:
        async with following(pair[0], lobby, host):
            game = await start_game(host, lobby)
            if phase != "starting":
                await follower.wait_for("question.opened")
                command = {"reveal": "close", "paused": "pause"}[phase]
                assert (await host.post(f"/v1/games/{game['id']}/{command}")).status_code == 200
        await states.wait_for("host_id::text", str(guest.id), lobby)
        await follower.wait_for("host.changed")
        assert (await guest.post(f"/v1/games/{game['id']}/abort")).status_code == 200
        kicked = await guest.post(f"/v1/lobbies/{lobby['id']}/kick", {"user_id": str(host.id)})
        assert kicked.status_code == 204
        assert (await start_game(guest, lobby))["id"] != game["id"]
        assert [event["type"] for event in follower.events].count("host.changed") == 1


async def knock(pair: Pair, lobby: dict[str, Any], first: dict[str, Any] | None) -> int:
    """Open a socket and send this message, or none; gives the code with which it is closed."""
    port = pair[0].client.base_url.port
    assert port is not None
    path = f"/v1/lobbies/{lobby['id']}/events"
    async with open_socket(port, path, subprotocols=["quartet.v1"]) as socket:
        if first is not None:
            await socket.send(first)
        return await socket.closed()


async def hand_over_whoever_knocks(
    pair: Pair, mint: TokenMint, states: States, handed_over: asyncio.Event
) -> None:
    """Sockets of others, and sockets that never say whose they are, do not count for the host."""
    host, stranger = Crowd(pair[0].client, mint).players(2)
    guest = Crowd(pair[1].client, mint).player()
    lobby = await host.create(settings=SLOW)
    await guest.join(lobby)
    async with following(pair[1], lobby, guest) as follower, following(pair[0], lobby, stranger):
        async with following(pair[0], lobby, host):
            ready = await host.post(f"/v1/lobbies/{lobby['id']}/ready", {"is_ready": True})
            assert ready.status_code == 204
        codes = [await knock(pair, lobby, first) for first in ({"type": "auth", "token": "x"}, None)]
        assert codes == [4401, 4401]
        await states.wait_for("host_id::text", str(guest.id), lobby)
        last = await follower.wait_for("player.ready")
        changed = await follower.wait_for("host.changed")
        assert seconds_between(last["at"], changed["at"]) >= 14.5
        assert [event["type"] for event in follower.events].count("host.changed") == 1
    handed_over.set()


async def keep_the_host_who_comes_back(
    pair: Pair, mint: TokenMint, states: States, handed_over: asyncio.Event
) -> None:
    """A host who is back after ten seconds still hosts when one who is not does not any more."""
    host, guest = Crowd(pair[0].client, mint).player(), Crowd(pair[1].client, mint).player()
    lobby = await host.create(settings=SLOW)
    await guest.join(lobby)
    async with following(pair[1], lobby, guest) as follower:
        async with following(pair[0], lobby, host):
            pass
        await states.wait_for(AWAY_FOR_TEN_SECONDS, "true", lobby)
        async with following(pair[1], lobby, host):
            await handed_over.wait()
            await guest.post(f"/v1/lobbies/{lobby['id']}/ready", {"is_ready": True})
            await follower.wait_for("player.ready")
        assert "host.changed" not in [event["type"] for event in follower.events]
    assert (await guest.look_at(lobby))["host_id"] == str(host.id)


async def say_nothing_of_an_old_socket(pair: Pair, mint: TokenMint, handed_over: asyncio.Event) -> None:
    """Who has a newer socket, at another process, is not gone when the old one ends."""
    host, guest = Crowd(pair[0].client, mint).player(), Crowd(pair[1].client, mint).player()
    lobby = await host.create(settings=SLOW)
    await guest.join(lobby)
    async with following(pair[1], lobby, guest) as follower, contextlib.AsyncExitStack() as old:
        await old.enter_async_context(following(pair[0], lobby, host))
        async with following(pair[1], lobby, host):
            await old.aclose()
            await handed_over.wait()
            await guest.post(f"/v1/lobbies/{lobby['id']}/ready", {"is_ready": True})
            await follower.wait_for("player.ready")
    assert {"player.disconnected", "host.changed"}.isdisjoint(event["type"] for event in follower.events)


AWAY_FOR_TEN_SECONDS = """
    (SELECT (greatest(seen_until - interval '15 s', left_at) < clock_timestamp() - interval '10 s')::text
     FROM lobby_presence WHERE lobby_id = lobbies.id AND user_id = lobbies.host_id)
"""
