"""A game from its start to its results, with players on two processes, also while nothing tells one of the other."""

import asyncio
import contextlib
import os
import signal
from typing import Any

import asyncpg

from tests.libs.dbcommon.pools import until
from tests.services.l2p.conftest import Pair
from tests.services.l2p.games.playing import (
    QUESTIONS,
    QUICK,
    Follower,
    following,
    play_together,
    seated,
    start_game,
    without_own_rows,
)
from tests.services.l2p.players import Crowd, Player
from tests.tokens import TokenMint

PLAYERS = 4
LISTENERS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'l2p-listener' AND datname = current_database()"


async def test_players_on_two_processes_play_a_game(pair: Pair, mint: TokenMint) -> None:
    players = [Crowd(pair[number % 2].client, mint).player() for number in range(PLAYERS)]
    host = players[0]
    lobby = await host.create(settings=QUICK)
    for player in players[1:]:
        assert (await player.join(lobby)).status_code == 200
    async with contextlib.AsyncExitStack() as stack:
        followers = [
            await stack.enter_async_context(following(pair[number % 2], lobby, player))
            for number, player in enumerate(players)
        ]
        game = await start_game(host, lobby)
        for wanted in QUESTIONS:
            await asyncio.gather(*(answer_next(follower, wanted) for follower in followers[:-1]))
            # The last player plays without the socket's `answer`.
            await answer_by_http(players[-1], followers[-1], game, wanted)
            for follower in followers:
                closed = await follower.wait_for("question.closed")
                assert closed["data"]["correct_answer"] == wanted["correct_answer"]
                assert closed["data"]["reason"] == "all_answered"
                assert closed["data"]["you"]["is_correct"]
        for follower in followers:
            finished = await follower.wait_for("game.finished")
            assert len(finished["data"]["podium"]) == PLAYERS
            assert finished["data"]["you"]["correct_answers"] == len(QUESTIONS)
            # All are as quick, so most likely nobody gained anything; but all were rated.
            assert finished["data"]["you"]["rating_before"] == 1500
            assert finished["data"]["you"]["rating"] is not None
    for follower in followers:
        seqs = [event["seq"] for event in follower.events]
        first = follower.welcome["seq"] + 1
        assert seqs == list(range(first, first + len(seqs)))
        # Who came earlier has more of the beginning.
        common = [event for event in follower.events if event["seq"] > followers[-1].welcome["seq"]]
        assert without_own_rows(common) == without_own_rows(followers[-1].events)
    results = (await host.get(f"/v1/games/{game['id']}/results")).json()
    assert results["status"] == "finished"
    assert [row["correct_answers"] for row in results["items"]] == [2] * PLAYERS
    assert (await host.look_at(lobby))["status"] == "waiting"


async def answer_next(follower: Follower, wanted: dict[str, Any]) -> None:
    opened = await follower.wait_for("question.opened")
    accepted = await follower.answer(opened["data"]["question"], wanted["correct_answer"])
    assert accepted["type"] == "accepted"


async def answer_by_http(
    player: Player, follower: Follower, game: dict[str, Any], wanted: dict[str, Any]
) -> None:
    opened = await follower.wait_for("question.opened")
    body = {"question_id": opened["data"]["question"]["id"], "answer": wanted["correct_answer"]}
    response = await player.post(f"/v1/games/{game['id']}/answers", body)
    assert response.status_code == 202, response.text


async def find_listeners(sql: "asyncpg.Connection[Any]") -> set[int]:
    """The processes of PostgreSQL that notify our own."""
    return {row["pid"] for row in await sql.fetch(LISTENERS)}


async def until_listening(sql: "asyncpg.Connection[Any]", *, besides: set[int]) -> None:
    """Wait until both processes have a listener, which is not one of those."""

    async def both() -> bool:
        return len(await find_listeners(sql) - besides) == 2

    await until(both)


async def test_a_game_goes_on_when_the_listeners_are_killed(
    pair: Pair, mint: TokenMint, pair_sql: "asyncpg.Connection[Any]"
) -> None:
    await until_listening(pair_sql, besides=set())
    async with seated(pair, mint) as (host, lobby, follower):
        killed = await find_listeners(pair_sql)
        for pid in killed:
            assert await pair_sql.fetchval("SELECT pg_terminate_backend($1)", pid)
        await play_together(host, lobby, follower)
        await until_listening(pair_sql, besides=killed)


async def test_a_game_goes_on_when_the_listeners_are_frozen(
    pair: Pair, mint: TokenMint, pair_sql: "asyncpg.Connection[Any]"
) -> None:
    await until_listening(pair_sql, besides=set())
    async with seated(pair, mint) as (host, lobby, follower):
        frozen = await find_listeners(pair_sql)
        try:
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)
            await play_together(host, lobby, follower)
            await until_listening(pair_sql, besides=frozen)
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        await play_together(host, lobby, follower)
