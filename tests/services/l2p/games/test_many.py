"""Many lobbies at once, and as many players and spectators in one as it may have."""

import asyncio
import contextlib
import itertools
import json
import re
from collections import Counter
from typing import Any

import asyncpg
import pytest
from websockets.exceptions import ConnectionClosed

from tests.processes import Running
from tests.services.l2p.conftest import Pair
from tests.services.l2p.games.playing import QUESTIONS, QUICK, Follower, following, start_game
from tests.services.l2p.live.streaming import streaming
from tests.services.l2p.players import Crowd, Player
from tests.tokens import TokenMint

LOBBIES = 20
SEATS = 500
SPECTATORS = 200
LARGEST = "\x01"
"""A character that has six bytes in JSON, as none has more."""
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


async def play(pair: Pair, mint: TokenMint) -> set[str]:
    """A game of two on two processes; gives all ids that their sockets received."""
    host, guest = (Crowd(process.client, mint).player() for process in pair)
    lobby = await host.create(settings=QUICK)
    await guest.join(lobby)
    async with following(pair[0], lobby, host) as here, following(pair[1], lobby, guest) as there:
        await start_game(host, lobby, questions=QUESTIONS[:1])
        await there.socket.send({"type": "chat", "text": lobby["id"]})
        for follower in (here, there):
            question = (await follower.wait_for("question.opened"))["data"]["question"]
            assert (await follower.answer(question, "4"))["type"] == "accepted"
        for follower in (here, there):
            await follower.wait_for("game.finished")
            seqs = [event["seq"] for event in follower.events]
            assert seqs == list(range(follower.welcome["seq"] + 1, seqs[-1] + 1))
            assert follower.welcome["data"]["lobby"]["id"] == lobby["id"]
    return set(_ID.findall(json.dumps([here.welcome, there.welcome, here.events, there.events])))


@pytest.mark.long
async def test_of_twenty_lobbies_at_once_none_receives_an_event_of_another(
    pair: Pair, mint: TokenMint
) -> None:
    pairs = [pair, (pair[1], pair[0])] * (LOBBIES // 2)
    received = await asyncio.gather(*(play(processes, mint) for processes in pairs))
    for ids in received:
        # The lobby, its stream, the game, the question, two players.
        assert len(ids) == 6
    for one, other in itertools.combinations(received, 2):
        assert one.isdisjoint(other)


async def seat_guests(sql: "asyncpg.Connection[Any]", lobby: dict[str, Any], number: int) -> None:
    """Take so many seats, for guests with names of the longest kind."""
    await sql.execute(
        """
        WITH guest AS (
            INSERT INTO users (is_guest, guest_lobby_id, nickname, nickname_key)
            SELECT true, $1, repeat(chr(1), 28) || lpad(number::text, 4, '0'), number::text
            FROM generate_series(1, $2) AS number RETURNING id
        )
        INSERT INTO lobby_players (lobby_id, user_id) SELECT $1, id FROM guest
        """,
        lobby["id"],
        number,
    )


async def answer_for_guests(sql: "asyncpg.Connection[Any]", question: dict[str, Any]) -> None:
    """The answers of all guests of the question's game, which are right."""
    await sql.execute(
        """
        INSERT INTO answers (participant_id, question_id, answer, is_correct, time_taken_ms)
        SELECT part.id, question.id, question.correct_answer, true, 400
        FROM questions AS question JOIN game_participants AS part USING (game_id)
        JOIN users ON users.id = part.user_id WHERE question.id = $1 AND is_guest
        """,
        question["id"],
    )


async def read_players(player: Player, lobby: dict[str, Any]) -> list[str]:
    """The players on all pages of a lobby's list."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await player.get(f"/v1/lobbies/{lobby['id']}/players", **cursor)).json()
        found += [item["user_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def longest_question() -> dict[str, Any]:
    """A question whose texts have as many bytes as may be."""
    options = [str(number).rjust(300, LARGEST) for number in range(6)]
    return {
        "question_text": LARGEST * 1000,
        "options": options,
        "correct_answer": options[5],
        "explanation": LARGEST * 2000,
    }


async def test_frames_of_a_full_lobby_stay_small_and_name_the_first_ten_and_oneself(
    pair: Pair, mint: TokenMint, pair_sql: "asyncpg.Connection[Any]"
) -> None:
    # Sockets and streams of the tests take no larger frame.
    host, last = (Crowd(process.client, mint).player() for process in pair)
    lobby = await host.create(max_players=SEATS, settings=QUICK | {"time_limit_ms": 60_000})
    await seat_guests(pair_sql, lobby, SEATS - 2)
    assert (await last.join(lobby)).status_code == 200
    async with (
        following(pair[0], lobby, host) as here,
        following(pair[1], lobby, last) as there,
        streaming(pair[1].client, lobby, last) as stream,
    ):
        assert here.welcome["data"]["lobby"]["player_count"] == SEATS
        assert len(here.welcome["data"]["lobby"]["players"]) == 100
        game = await start_game(host, lobby, questions=[longest_question()])
        question = (await there.wait_for("question.opened"))["data"]["question"]
        async with following(pair[0], lobby, last, stream=lobby["id"], last_seq=1) as back:
            assert back.welcome["type"] == "resync"
            assert back.welcome["data"]["game"]["participant_count"] == SEATS
            assert len(back.welcome["data"]["game"]["scores"]) == 10
        await answer_for_guests(pair_sql, question)
        await here.answer(question, question["options"][5])
        await there.answer(question, question["options"][0])
        for channel in (there, stream):
            await check_end(channel, last)
        told = [event["data"]["user_ids"] for event in there.events if event["type"] == "answer.received"]
        assert len({user_id for user_ids in told for user_id in user_ids}) == SEATS
    players = await read_players(last, lobby)
    assert len(players) == len(set(players)) == SEATS
    assert players[-1] == str(last.id)
    results = (await last.get(f"/v1/games/{game['id']}/results")).json()
    assert len(results["items"]) == SEATS


async def check_end(channel: Any, player: Player) -> None:
    """The first ten and the player's own row stand in the events that end a question and a game."""
    closed = (await channel.wait_for("question.closed"))["data"]
    assert [row["rank"] for row in closed["scores"]] == [1] * 10
    assert (closed["you"]["is_correct"], closed["you"]["rank"]) == (False, SEATS)
    finished = (await channel.wait_for("game.finished"))["data"]
    assert [row["rank"] for row in finished["podium"]] == [1] * 10
    assert finished["you"]["rank"] == SEATS
    assert str(player.id) not in [row["user_id"] for row in finished["podium"]]


async def add_spectators(sql: "asyncpg.Connection[Any]", lobby: dict[str, Any], number: int) -> None:
    """Rows of so many users who watch the lobby through one of the processes."""
    await sql.execute(
        """
        WITH watcher AS (
            INSERT INTO users (username) SELECT 'watcher' || number FROM generate_series(1, $2) AS number RETURNING id
        )
        INSERT INTO lobby_connections (process_id, lobby_id, user_id)
        SELECT (SELECT id FROM processes ORDER BY heartbeat_at DESC LIMIT 1), $1, id FROM watcher
        """,
        lobby["id"],
        number,
    )


async def watch(
    stack: contextlib.AsyncExitStack, process: Running, lobby: dict[str, Any], player: Player
) -> int | None:
    """Open a socket, which stays open; its close code if it was refused."""
    try:
        await stack.enter_async_context(following(process, lobby, player))
    except ConnectionClosed as closed:
        return None if closed.rcvd is None else closed.rcvd.code
    return None


async def test_of_twenty_spectators_at_once_as_many_are_let_in_as_there_are_places(
    pair: Pair, mint: TokenMint, pair_sql: "asyncpg.Connection[Any]"
) -> None:
    host, guest, late = Crowd(pair[1].client, mint).players(3)
    lobby = await host.create()
    await add_spectators(pair_sql, lobby, SPECTATORS - 10)
    async with contextlib.AsyncExitStack() as stack:
        watching = [
            watch(stack, process, lobby, player)
            for process in pair
            for player in Crowd(process.client, mint).players(10)
        ]
        assert Counter(await asyncio.gather(*watching)) == {None: 10, 1013: 10}
        refused = await late.get(f"/v1/lobbies/{lobby['id']}/events")
        assert (refused.status_code, refused.json()["type"]) == (429, "/problems/too-many-spectators")
        # Players and hosts are no spectators.
        await guest.join(lobby)
        assert [await watch(stack, process, lobby, guest) for process in pair] == [None, None]
        assert await watch(stack, pair[0], lobby, host) is None
        assert await watch(stack, pair[0], lobby, late) == 1013
    # The places of those who left are free again.
    async with contextlib.AsyncExitStack() as stack, asyncio.timeout(20):
        while await watch(stack, pair[0], lobby, late) is not None:  # noqa: ASYNC110 - another process frees them
            await asyncio.sleep(0.05)


async def test_twenty_answers_of_a_player_at_once_are_one(
    pair: Pair, mint: TokenMint, pair_sql: "asyncpg.Connection[Any]"
) -> None:
    host, player = Crowd(pair[0].client, mint).players(2)
    elsewhere = Player(client=pair[1].client, id=player.id, headers=player.headers)
    lobby = await host.create(settings=QUICK)
    await player.join(lobby)
    async with following(pair[0], lobby, player) as here, following(pair[1], lobby, player) as there:
        game = await start_game(host, lobby, questions=[SIX_OPTIONS])
        for follower in (here, there):
            question = (await follower.wait_for("question.opened"))["data"]["question"]
        path, options = f"/v1/games/{game['id']}/answers", question["options"]

        async def post(sender: Player, option: str) -> int:
            body = {"question_id": question["id"], "answer": option}
            return (await sender.post(path, body)).status_code

        async def send(follower: Follower) -> int:
            answers = [(await follower.answer(question, option))["type"] for option in options[:4]]
            return answers.count("accepted")

        posts = [post(sender, option) for sender in (player, elsewhere) for option in options]
        answered = await asyncio.gather(send(here), send(there), *posts)
        (standing,) = await pair_sql.fetch(
            "SELECT answer FROM answers WHERE question_id = $1", question["id"]
        )
        # Each who sent the answer that stands was told that it is accepted.
        is_sent = standing["answer"] in options[:4]
        assert answered[:2] == [is_sent, is_sent]
        assert Counter(answered[2:]) == {202: 2, 409: 10}
        await host.post(f"/v1/games/{game['id']}/close")
        await here.wait_for("game.finished")
    told = [event["data"]["user_ids"] for event in here.events if event["type"] == "answer.received"]
    assert told == [[str(player.id)]]
    results = (await host.get(f"/v1/games/{game['id']}/results")).json()["items"]
    assert [row["user_id"] for row in results].count(str(player.id)) == 1


SIX_OPTIONS = {"question_text": "Which?", "options": list("abcdef"), "correct_answer": "a"}
