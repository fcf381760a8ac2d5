"""The process that drives a game dies, or stops: another one goes on, and nothing accepted is lost."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from l2p.settings import Settings
from tests.libs.dbcommon.pools import until
from tests.libs.webcommon.test_jwks import KeyServer
from tests.processes import Running, replica, two_processes
from tests.services.l2p.games.playing import following, start_game
from tests.services.l2p.live.streaming import streaming
from tests.services.l2p.players import Crowd
from tests.tokens import TokenMint

Sql = asyncpg.Connection
RULES = {"starting_ms": 0, "reveal_ms": 0, "time_limit_ms": 10_000, "host_plays": False}
STORED_ANSWERS = """
    SELECT count(*) FROM answers JOIN questions ON questions.id = answers.question_id WHERE questions.game_id = $1
"""
ONE_QUESTION = [{"question_text": "2 + 2?", "options": ["3", "4"], "correct_answer": "4"}]


ENDING = 15
"""Games that end about when their driver is killed."""


@asynccontextmanager
async def processes(settings: Settings, key_server: KeyServer) -> AsyncIterator[tuple[Running, Running]]:
    assert settings.database is not None
    async with two_processes("l2p", settings.database, AUTH_JWKS_URL=key_server.url) as pair:
        yield pair


def parse(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


GAMES = 5
"""Games that are driven by a process when it is killed, each at another instant of its question."""


@pytest.mark.parametrize(
    "seed",
    [0, *(pytest.param(number, marks=pytest.mark.long) for number in range(1, 10))],
)
async def test_a_killed_driver_is_replaced_and_its_time_is_given_back(
    settings: Settings, key_server: KeyServer, mint: TokenMint, sql: "Sql[Any]", seed: int
) -> None:
    instants = random.Random(seed)  # noqa: S311 - any instants will do
    async with processes(settings, key_server) as (driving, other):
        played = [Played(other, mint, pause=instants.uniform(0, 2)) for _ in range(GAMES)]
        games = [asyncio.create_task(game.play(driving)) for game in played]
        await asyncio.gather(*(game.opened.wait() for game in played))
        killed_at = await kill(driving, sql)
        for game in played:
            game.killed_at.set_result(killed_at)
        for game_id in await asyncio.gather(*games):
            assert await sql.fetchval(STORED_ANSWERS, game_id) == 2


class Played:
    """A game that begins after a pause, and whose second answer is sent when its driver was killed."""

    def __init__(self, other: Running, mint: TokenMint, *, pause: float) -> None:
        self._other = other
        self._mint = mint
        self._pause = pause
        self.opened = asyncio.Event()
        self.killed_at: asyncio.Future[datetime] = asyncio.get_running_loop().create_future()

    async def play(self, driving: Running) -> UUID:
        """Play it to its end, and give its id."""
        host = Crowd(driving.client, self._mint).player()
        stayer, quick = (Crowd(self._other.client, self._mint).player() for _ in range(2))
        lobby = await host.create(settings=RULES)
        for player in (stayer, quick):
            assert (await player.join(lobby)).status_code == 200
        await asyncio.sleep(self._pause)
        async with following(self._other, lobby, stayer) as follower:
            game = await start_game(host, lobby, questions=ONE_QUESTION)
            question = (await follower.wait_for("question.opened"))["data"]["question"]
            assert (await follower.answer(question, "4"))["type"] == "accepted"
            self.opened.set()
            killed_at = await self.killed_at
            body = {"question_id": question["id"], "answer": "3"}
            assert (await quick.post(f"/v1/games/{game['id']}/answers", body)).status_code == 202
            check_given_back(question, await follower.wait_for("game.resumed"), killed_at=killed_at)
            await follower.wait_for("question.closed")
            await follower.wait_for("game.finished")
        seqs = [event["seq"] for event in follower.events]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        return UUID(game["id"])


async def kill(process: Running, sql: "Sql[Any]") -> datetime:
    """Kill the process; gives the database's time just before."""
    moment: datetime = await sql.fetchval("SELECT clock_timestamp()")
    await process.kill()
    return moment


def check_given_back(question: dict[str, Any], resumed: dict[str, Any], *, killed_at: datetime) -> None:
    lost = parse(resumed["at"]) - killed_at
    given = parse(resumed["data"]["closes_at"]) - parse(question["closes_at"])
    assert abs(given.total_seconds() * 1000 - resumed["data"]["paused_ms"]) < 1
    # The last heartbeat was at most a second before the death.
    assert given >= lost - timedelta(milliseconds=50)
    assert parse(resumed["data"]["opens_at"]) - parse(question["opens_at"]) == given


async def read_lease(sql: "Sql[Any]", game: dict[str, Any]) -> "asyncpg.Record":
    """Who drives the game."""
    lease: asyncpg.Record | None = await sql.fetchrow(
        "SELECT lease_holder, lease_epoch FROM games WHERE id = $1", game["id"]
    )
    assert lease is not None
    return lease


@pytest.mark.long
async def test_a_driver_that_stops_hands_over_and_its_clients_go_on_elsewhere(
    settings: Settings, key_server: KeyServer, mint: TokenMint, sql: "Sql[Any]"
) -> None:
    async with processes(settings, key_server) as (driving, other):
        host, guest = Crowd(driving.client, mint).player(), Crowd(other.client, mint).player()
        lobby = await host.create(settings=RULES)
        await guest.join(lobby)
        async with (
            following(other, lobby, guest) as follower,
            following(driving, lobby, host) as socket,
            streaming(driving.client, lobby, host) as stream,
        ):
            game = await start_game(host, lobby, questions=ONE_QUESTION)
            question = (await follower.wait_for("question.opened"))["data"]["question"]
            await asyncio.gather(socket.wait_for("question.opened"), stream.wait_for("question.opened"))
            before = await read_lease(sql, game)
            stopping = asyncio.create_task(driving.stop())
            assert (await stream.wait_for("closed"))["data"] == {"code": 1012}
            with pytest.raises(StopAsyncIteration):
                await stream.receive()
            assert await socket.socket.closed() == 1012
            await stopping
            after = await read_lease(sql, game)
            assert after["lease_epoch"] == before["lease_epoch"] + 1
            assert after["lease_holder"] not in (None, before["lease_holder"])
            assert (await follower.answer(question, "4"))["type"] == "accepted"
            closed = await follower.wait_for("question.closed")
            await follower.wait_for("game.finished")
        async with streaming(other.client, lobby, host, last_event_id=stream.ids[-1]) as resumed:
            await resumed.wait_for("game.finished")
    assert closed["data"]["question_id"] == question["id"]
    assert "game.resumed" not in [event["type"] for event in follower.events]
    # The first is that of `welcome`, which is the last one that the client had.
    assert resumed.ids == list(range(stream.ids[-1], resumed.ids[-1] + 1))
    assert stream.ids == list(range(stream.ids[0], stream.ids[-1] + 1))


async def until_closed(sql: "Sql[Any]", question: dict[str, Any]) -> None:
    """Wait until the time of the question would have been over."""
    is_over = "SELECT closes_at < clock_timestamp() FROM questions WHERE id = $1"
    await until(partial(sql.fetchval, is_over, question["id"]))


@pytest.mark.long
async def test_all_processes_die_and_the_question_goes_on(
    settings: Settings, key_server: KeyServer, mint: TokenMint, sql: "Sql[Any]"
) -> None:
    async with processes(settings, key_server) as (first, second):
        host = Crowd(first.client, mint).player()
        lobby = await host.create(settings=RULES)
        async with following(first, lobby, host) as follower:
            assert (await host.join(lobby)).status_code == 200
            await start_game(host, lobby, questions=ONE_QUESTION)
            question = (await follower.wait_for("question.opened"))["data"]["question"]
            stream, last_seq = follower.welcome["data"]["stream"], follower.events[-1]["seq"]
        await asyncio.gather(first.kill(), second.kill())
    await until_closed(sql, question)
    async with (
        processes(settings, key_server) as (_, second),
        following(second, lobby, host, stream=stream, last_seq=last_seq) as follower,
    ):
        resumed = await follower.wait_for("game.resumed")
        assert resumed["data"]["question_id"] == question["id"]
        assert parse(resumed["data"]["closes_at"]) > parse(resumed["at"])
        assert (await follower.answer(question, "4"))["type"] == "accepted"
        assert (await follower.wait_for("question.closed"))["data"]["you"]["is_correct"]
        await follower.wait_for("game.finished")


@pytest.mark.long
async def test_both_processes_are_killed_in_turn_and_the_question_goes_on(
    settings: Settings, key_server: KeyServer, mint: TokenMint, sql: "Sql[Any]"
) -> None:
    assert settings.database is not None
    async with processes(settings, key_server) as (first, second):
        host, player = Crowd(first.client, mint).player(), Crowd(second.client, mint).player()
        # Longer than a process needs to start.
        lobby = await host.create(settings=RULES | {"time_limit_ms": 120_000})
        assert (await player.join(lobby)).status_code == 200
        async with following(second, lobby, player) as follower:
            await start_game(host, lobby, questions=ONE_QUESTION)
            question = (await follower.wait_for("question.opened"))["data"]["question"]
            killed_at = await kill(first, sql)
            resumed = await follower.wait_for("game.resumed")
            check_given_back(question, resumed, killed_at=killed_at)
            stream, last_seq = follower.welcome["data"]["stream"], follower.events[-1]["seq"]
        async with replica("l2p", settings.database, AUTH_JWKS_URL=key_server.url) as third:
            killed_at = await kill(second, sql)
            async with following(third, lobby, player, stream=stream, last_seq=last_seq) as follower:
                again = await follower.wait_for("game.resumed")
                check_given_back(resumed["data"], again, killed_at=killed_at)
                assert (await follower.answer(question, "4"))["type"] == "accepted"
                assert (await follower.wait_for("question.closed"))["data"]["you"]["is_correct"]
                await follower.wait_for("game.finished")
    seqs = [event["seq"] for event in follower.events]
    assert seqs == list(range(last_seq + 1, seqs[-1] + 1))


@pytest.mark.long
async def test_games_whose_driver_is_killed_at_their_end_rate_once(
    settings: Settings, key_server: KeyServer, mint: TokenMint, sql: "Sql[Any]"
) -> None:
    instants = random.Random(0)  # noqa: S311 - any instants will do
    answered = asyncio.Barrier(ENDING + 1)
    async with processes(settings, key_server) as (driving, other):
        games = [
            asyncio.create_task(play_to_the_end(driving, other, mint, answered, pause=instants.uniform(0, 2)))
            for _ in range(ENDING)
        ]
        await answered.wait()
        await asyncio.sleep(1)
        await driving.kill()
        for game_id in await asyncio.gather(*games):
            changes = await sql.fetch(RATED, game_id)
            # Each rating is that of the one change.
            assert [change["is_standing"] for change in changes] == [True, True]


RATED = """
    SELECT change.rating = users.rating AND change.rating_before = 1500 AS is_standing
    FROM rating_changes AS change JOIN game_participants AS part ON part.id = change.participant_id
    JOIN users ON users.id = part.user_id WHERE part.game_id = $1
"""


async def play_to_the_end(
    driving: Running, other: Running, mint: TokenMint, answered: asyncio.Barrier, *, pause: float
) -> UUID:
    """A game of two that ends so long after all games began; gives its id."""
    host = Crowd(driving.client, mint).player()
    players = Crowd(other.client, mint).players(2)
    lobby = await host.create(settings=RULES)
    for player in players:
        assert (await player.join(lobby)).status_code == 200
    async with following(other, lobby, players[0]) as first, following(other, lobby, players[1]) as second:
        game = await start_game(host, lobby, questions=ONE_QUESTION)
        question = (await first.wait_for("question.opened"))["data"]["question"]
        assert (await first.answer(question, "4"))["type"] == "accepted"
        await answered.wait()
        await asyncio.sleep(pause)
        assert (await second.answer(question, "3"))["type"] == "accepted"
        for follower in (first, second):
            await follower.wait_for("game.finished")
            assert [event["type"] for event in follower.events].count("game.finished") == 1
    return UUID(game["id"])
