"""A client that drops and comes back at another process has the stream of one that never dropped."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest

from tests.services.l2p.conftest import Pair
from tests.services.l2p.games.playing import QUESTIONS, QUICK, Follower, following, start_game
from tests.services.l2p.players import Crowd, Player
from tests.tokens import TokenMint


async def play_through(
    pair: Pair, mint: TokenMint, questions: list[dict[str, Any]]
) -> tuple[Follower, Player, dict[str, Any]]:
    """A whole game of one player; gives the socket that saw all of it, the player and the lobby."""
    player = Crowd(pair[0].client, mint).player()
    lobby = await player.create(settings=QUICK)
    async with following(pair[0], lobby, player) as follower:
        await start_game(player, lobby, questions=questions)
        for wanted in questions:
            opened = await follower.wait_for("question.opened")
            await follower.answer(opened["data"]["question"], wanted["correct_answer"])
        await follower.wait_for("game.finished")
    return follower, player, lobby


async def come_back(
    pair: Pair, lobby: dict[str, Any], player: Player, *, stream: str, last: int, head: int
) -> list[Any]:
    """What a client that has the events up to `last` gets from the second process."""
    async with following(pair[1], lobby, player, stream=stream, last_seq=last) as follower:
        assert follower.welcome["type"] == "welcome"
        assert follower.welcome["seq"] == last
        assert "lobby" not in follower.welcome["data"]
        while last + len(follower.events) < head:
            await follower.receive()
    return follower.events


async def check_every_boundary(pair: Pair, mint: TokenMint, questions: list[dict[str, Any]]) -> None:
    whole, player, lobby = await play_through(pair, mint, questions)
    stream, first = whole.welcome["data"]["stream"], whole.welcome["seq"]
    head = whole.events[-1]["seq"]
    for dropped in range(len(whole.events)):
        rest = await come_back(pair, lobby, player, stream=stream, last=first + dropped, head=head)
        assert json.dumps(rest) == json.dumps(whole.events[dropped:])


@pytest.mark.long
async def test_a_client_dropped_at_any_event_misses_nothing(pair: Pair, mint: TokenMint) -> None:
    await check_every_boundary(pair, mint, QUESTIONS)


@pytest.mark.long
async def test_a_client_dropped_at_any_event_of_ten_questions_misses_nothing(
    pair: Pair, mint: TokenMint
) -> None:
    await check_every_boundary(pair, mint, QUESTIONS * 5)


async def test_what_cannot_be_replayed_is_a_resync(pair: Pair, mint: TokenMint) -> None:
    player = Crowd(pair[0].client, mint).player()
    lobby = await player.create()
    async with following(pair[0], lobby, player) as follower:
        stream, seq = follower.welcome["data"]["stream"], follower.welcome["seq"]
    foreign = "00000000-0000-4000-8000-000000000000"
    for auth in (
        {"stream": foreign, "last_seq": seq},
        {"stream": stream, "last_seq": seq + 100},
        {"stream": stream, "last_seq": 2**63 - 1},
        {"last_seq": seq},
    ):
        async with following(pair[1], lobby, player, **auth) as follower:
            assert follower.welcome["type"] == "resync"
            assert follower.welcome["data"]["stream"] == stream
            assert follower.welcome["data"]["lobby"]["id"] == lobby["id"]


async def append_silence(
    sql: "asyncpg.Connection[Any]", lobby: dict[str, Any], number: int, *, minutes: int
) -> int:
    """Write so many events, as old as that, at the end of the lobby's log; gives the last `seq`."""
    head: int = await sql.fetchval(
        """
        WITH moved AS (
            UPDATE lobbies SET event_seq = event_seq + $2 WHERE id = $1 RETURNING event_seq - $2 AS before
        ), written AS (
            INSERT INTO lobby_events (lobby_id, seq, type, data, at)
            SELECT $1, before + number, 'player.ready', jsonb_build_object('user_id', $3::uuid, 'is_ready', true),
                clock_timestamp() - $4 * interval '1 minute'
            FROM moved, generate_series(1, $2) AS number
        )
        SELECT before + $2 FROM moved
        """,
        lobby["id"],
        number,
        lobby["host_id"],
        minutes,
    )
    return head


@pytest.mark.parametrize(
    ("missed", "minutes", "kind"),
    [(1000, 0, "welcome"), (1001, 0, "resync"), (1, 9, "welcome"), (1, 11, "resync")],
)
async def test_a_thousand_events_of_ten_minutes_are_replayed(
    pair: Pair, mint: TokenMint, pair_sql: "asyncpg.Connection[Any]", missed: int, minutes: int, kind: str
) -> None:
    player = Crowd(pair[0].client, mint).player()
    lobby = await player.create()
    # Its connections are told in the log as well.
    await pair_sql.execute("UPDATE lobbies SET status = 'closed' WHERE id = $1", lobby["id"])
    head = await append_silence(pair_sql, lobby, missed, minutes=minutes)
    async with following(
        pair[1], lobby, player, last_seq=head - missed, stream=await read_stream(pair_sql, lobby)
    ) as follower:
        assert follower.welcome["type"] == kind
        if kind == "welcome":
            while len(follower.events) < missed:
                await follower.receive()
            assert follower.events[-1]["seq"] == head


async def read_stream(sql: "asyncpg.Connection[Any]", lobby: dict[str, Any]) -> str:
    return str(await sql.fetchval("SELECT stream FROM lobbies WHERE id = $1", lobby["id"]))


async def test_events_that_happen_during_the_welcome_are_not_lost(pair: Pair, mint: TokenMint) -> None:
    host = Crowd(pair[0].client, mint).player()
    lobby = await host.create()

    async def follow(process: int) -> None:
        async with following(pair[process], lobby, host) as follower:
            left = await follower.wait_for("lobby.closed")
        seqs = [event["seq"] for event in follower.events]
        assert seqs == list(range(follower.welcome["seq"] + 1, left["seq"] + 1))

    async def change() -> None:
        for number in range(20):
            await host.post(f"/v1/lobbies/{lobby['id']}/ready", {"is_ready": number % 2 == 0})

    changing = asyncio.create_task(change())
    followers = [asyncio.create_task(follow(number % 2)) for number in range(5)]
    await changing
    await asyncio.sleep(0.5)  # the last welcomes
    await host.leave(lobby)
    await asyncio.gather(*followers)
