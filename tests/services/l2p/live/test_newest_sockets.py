"""Of a user's sockets on a lobby the five newest stay, over all processes."""

import asyncio
import contextlib
from functools import partial
from typing import Any

import asyncpg
import pytest
from websockets.exceptions import ConnectionClosed

from l2p.settings import Settings
from tests.libs.dbcommon.pools import until
from tests.libs.webcommon.test_jwks import KeyServer
from tests.processes import Running, two_processes
from tests.services.l2p.conftest import Pair
from tests.services.l2p.games.playing import Follower, following
from tests.services.l2p.live.streaming import streaming
from tests.services.l2p.players import Crowd, Player
from tests.tokens import TokenMint

MOST = 5


async def ping(*followers: Follower) -> None:
    """See that the sockets live."""
    for follower in followers:
        await follower.socket.send({"type": "ping"})
        while (await follower.receive())["type"] != "pong":
            pass


@pytest.mark.long
async def test_the_oldest_sockets_over_both_processes_are_closed_and_no_other(
    pair: Pair, mint: TokenMint
) -> None:
    host, player = Crowd(pair[0].client, mint).players(2)
    lobby, elsewhere = await host.create(), await host.create()
    async with contextlib.AsyncExitStack() as stack:

        async def open_many(where: dict[str, Any], who: Player, number: int) -> list[Follower]:
            return [
                await stack.enter_async_context(following(pair[index % 2], where, who))
                for index in range(number)
            ]

        undisturbed = await open_many(lobby, host, MOST) + await open_many(elsewhere, player, MOST)
        oldest = await stack.enter_async_context(streaming(pair[1].client, lobby, player))
        followers = await open_many(lobby, player, 7)
        assert (await oldest.wait_for("closed"))["data"] == {"code": 4409}
        assert [await follower.socket.closed() for follower in followers[:2]] == [4409, 4409]
        await ping(*followers[2:], *undisturbed)


class Opened:
    """A socket that is open until it is told to close, or closed by the service."""

    def __init__(self, process: Running, lobby: dict[str, Any], player: Player) -> None:
        self.has_welcome = asyncio.Event()
        self.is_kept = asyncio.Event()
        self.task = asyncio.create_task(self._run(process, lobby, player))

    async def _run(self, process: Running, lobby: dict[str, Any], player: Player) -> int | None:
        try:
            async with following(process, lobby, player) as follower:
                self.has_welcome.set()
                while not self.is_kept.is_set():
                    await ping(follower)
                    await asyncio.sleep(0.2)
        except ConnectionClosed as closed:
            return None if closed.rcvd is None else closed.rcvd.code
        return None


async def test_of_twenty_sockets_at_once_over_both_processes_five_stay(pair: Pair, mint: TokenMint) -> None:
    player = Crowd(pair[0].client, mint).player()
    lobby = await player.create()
    sockets = [Opened(pair[index % 2], lobby, player) for index in range(20)]
    await until(lambda: count_closed(sockets, 20 - MOST))
    # With one more, one of exactly five is too many.
    kept = [socket for socket in sockets if not socket.task.done()]
    newest = Opened(pair[0], lobby, player)
    await newest.has_welcome.wait()
    await until(lambda: count_closed(sockets, 21 - MOST))
    kept = [socket for socket in kept if not socket.task.done()]
    for socket in (*kept, newest):
        socket.is_kept.set()
    assert len(kept) == MOST - 1
    assert [await socket.task for socket in (*kept, newest)] == [None] * MOST
    assert {await socket.task for socket in sockets if socket not in kept} == {4409}


async def count_closed(sockets: list[Opened], number: int) -> bool:
    """Whether so many were closed."""
    return sum(socket.task.done() for socket in sockets) >= number


@pytest.mark.long
async def test_sockets_of_a_killed_process_do_not_count(
    settings: Settings, key_server: KeyServer, mint: TokenMint, sql: "asyncpg.Connection[Any]"
) -> None:
    assert settings.database is not None
    async with (
        two_processes("l2p", settings.database, AUTH_JWKS_URL=key_server.url) as (killed, other),
        contextlib.AsyncExitStack() as stack,
    ):
        player = Crowd(other.client, mint).player()
        lobby = await player.create()

        async def open_many(process: Running, number: int) -> list[Follower]:
            return [await stack.enter_async_context(following(process, lobby, player)) for _ in range(number)]

        followers = await open_many(other, 2)
        await open_many(killed, 3)
        await until(lambda: has_sockets(sql, lobby, MOST))
        await killed.kill()
        await until(lambda: has_sockets(sql, lobby, 2))
        followers += await open_many(other, 3)
        for _ in range(2):
            beat = await sql.fetchval("SELECT max(heartbeat_at) FROM processes")
            await until(partial(sql.fetchval, "SELECT max(heartbeat_at) > $1 FROM processes", beat))
        await ping(*followers)


async def has_sockets(sql: "asyncpg.Connection[Any]", lobby: dict[str, Any], number: int) -> bool:
    """Whether so many sockets of the lobby are stored."""
    count = "SELECT sum(cardinality(opened_at)) FROM lobby_connections WHERE lobby_id = $1"
    return bool(await sql.fetchval(count, lobby["id"]) == number)
