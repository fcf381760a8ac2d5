"""Sockets whose clients do what they should not."""

import asyncio
import contextlib
import json
from typing import Any

import asyncpg
import psutil
import pytest

from l2p.live.limits import MESSAGES_AT_ONCE, MOST_REFUSED
from tests.processes import Running
from tests.raw_sockets import open_unread
from tests.services.l2p.conftest import Pair
from tests.services.l2p.described import check_frame
from tests.services.l2p.games.playing import Follower, following, token_of
from tests.services.l2p.players import Crowd, Player
from tests.slow_network import slow_network
from tests.sockets import Refused, Socket, open_socket
from tests.tokens import TokenMint

EVENTS = 140
"""Fewer bytes than may wait for a client, so that even a slow one of the tests is not cut off."""

PORTIONS = 9
"""So many times `EVENTS` are 2 MB: more than kernel and service keep for a client that does not read."""

SECONDS = 30


@pytest.fixture
def process(pair: Pair) -> Running:
    return pair[0]


@pytest.fixture
def player(process: Running, mint: TokenMint) -> Player:
    return Crowd(process.client, mint).player()


def port_of(process: Running) -> int:
    port = process.client.base_url.port
    assert port is not None
    return port


@contextlib.asynccontextmanager
async def opened(process: Running, lobby: dict[str, Any]) -> Any:
    """A socket on the lobby that has sent nothing yet."""
    path = f"/v1/lobbies/{lobby['id']}/events"
    async with open_socket(
        port_of(process), path, subprotocols=["x", "quartet.v1"], check=check_frame
    ) as socket:
        yield socket


async def test_wrong_messages_are_answered_and_the_socket_lives(process: Running, player: Player) -> None:
    lobby = await player.create()
    wrong: list[str | bytes] = [
        "",
        "{",
        "[]",
        "null",
        '{"type": "x"}',
        '{"type": "ping", "x": 1}',
        b"\xff",
        b"{}",
    ]
    wrong += ['{"type": "chat", "text": ""}', '{"type": "chat", "text": "\\ud800"}', "[" * 10_000]
    async with following(process, lobby, player) as follower:
        for message in wrong:
            await follower.socket.connection.send(message)
            assert (await receive(follower, "error"))["data"]["code"] == "invalid-message"
        await follower.socket.send({"type": "ping", "ref": "still"})
        assert (await receive(follower, "pong"))["data"]["ref"] == "still"


@pytest.mark.parametrize(
    ("message", "ref"),
    [
        ({"type": "answer", "question_id": "x", "answer": "a", "ref": "r"}, "r"),
        ({"type": "chat", "text": "x" * 501, "ref": "r"}, "r"),
        ({"type": "x", "ref": "r"}, "r"),
        ({"type": "ping", "ref": 1}, None),
        ({"type": "ping", "ref": "r" * 65}, None),
    ],
)
async def test_the_error_for_a_wrong_message_repeats_its_ref(
    process: Running, player: Player, message: dict[str, Any], ref: str | None
) -> None:
    lobby = await player.create()
    async with following(process, lobby, player) as follower:
        await follower.socket.send(message)
        refused = (await receive(follower, "error"))["data"]
        assert (refused["code"], refused["ref"]) == ("invalid-message", ref)


async def receive(follower: Follower, *kinds: str) -> dict[str, Any]:
    """The next message of these types."""
    while (message := await follower.receive())["type"] not in kinds:
        pass
    return message


async def test_too_many_messages_are_refused_and_a_hundred_close(process: Running, player: Player) -> None:
    lobby = await player.create()
    async with following(process, lobby, player) as follower:
        for number in range(5 * MOST_REFUSED):
            await follower.socket.send({"type": "ping", "ref": str(number)})
        answered = [await receive(follower, "pong") for _ in range(MESSAGES_AT_ONCE)]
        assert [message["data"]["ref"] for message in answered] == [str(number) for number in range(20)]
        refused = (await receive(follower, "error"))["data"]
        assert refused["code"] == "too-many-messages"
        assert refused["ref"] == str(MESSAGES_AT_ONCE)
        assert 0 < refused["retry_after_ms"] <= 100
        assert await follower.socket.closed() == 4408


async def test_chat_has_a_limit_of_its_own(process: Running, player: Player) -> None:
    lobby = await player.create()
    async with following(process, lobby, player) as follower:
        for number in range(18):
            await follower.socket.send({"type": "chat", "text": f"message {number}", "ref": str(number)})
        answers = [await receive(follower, "accepted", "error") for _ in range(18)]
        assert [answer["type"] for answer in answers[:5]] == ["accepted"] * 5
        refused = [answer["data"] for answer in answers if answer["type"] == "error"]
        assert {answer["code"] for answer in refused} == {"too-many-messages"}
        assert all(0 < answer["retry_after_ms"] <= 1000 for answer in refused)
        await follower.socket.send({"type": "ping"})
        await receive(follower, "pong")


async def test_chat_arrives_as_it_was_written(process: Running, player: Player) -> None:
    lobby = await player.create()
    written = [
        '"><img src=x onerror="a()">',
        "<<a>h1>",
        "O'Brien & \u202eנעמה",
        "🎉👩‍👩‍👧",
        "\\n\n\t</script>",
    ]
    async with following(process, lobby, player) as follower:
        for text in written:
            await follower.socket.send({"type": "chat", "text": text})
        received = [(await follower.wait_for("chat.message"))["data"]["text"] for _ in written]
    assert received == written


async def test_a_sixth_socket_of_a_user_closes_the_first(process: Running, player: Player) -> None:
    lobby = await player.create()
    async with contextlib.AsyncExitStack() as stack:
        followers = [await stack.enter_async_context(following(process, lobby, player)) for _ in range(6)]
        assert await followers[0].socket.closed() == 4409
        for follower in followers[1:]:
            await follower.socket.send({"type": "ping"})
            await receive(follower, "pong")


async def test_a_network_may_not_hold_many_sockets_without_a_token(process: Running, player: Player) -> None:
    lobby = await player.create()
    async with contextlib.AsyncExitStack() as stack:

        async def open_many() -> None:
            for _ in range(200):
                await stack.enter_async_context(opened(process, lobby))

        with pytest.raises(Refused) as refusal:
            await open_many()
        assert refusal.value.status == 429
        assert json.loads(refusal.value.body)["type"] == "/problems/too-many-unauthenticated"


async def test_the_first_message_has_to_be_a_valid_token(process: Running, player: Player) -> None:
    lobby = await player.create()
    first = [{"type": "ping"}, {"type": "auth", "token": "x"}, {"type": "auth"}]
    for message in first:
        async with opened(process, lobby) as socket:
            await socket.send(message)
            assert await socket.closed() == 4401
    async with opened(process, lobby) as socket:
        assert await socket.closed() == 4401


async def test_the_subprotocol_is_chosen_and_required(process: Running, player: Player) -> None:
    lobby = await player.create()
    async with opened(process, lobby) as socket:
        assert socket.connection.subprotocol == "quartet.v1"
    path = f"/v1/lobbies/{lobby['id']}/events"
    for offered in (None, ["x"]):
        with pytest.raises(Refused) as refusal:
            await open_socket(port_of(process), path, subprotocols=offered).__aenter__()
        assert refusal.value.status == 400


async def test_a_token_in_the_address_is_refused(process: Running, player: Player) -> None:
    lobby = await player.create()
    path = f"/v1/lobbies/{lobby['id']}/events?token={token_of(player)}"
    with pytest.raises(Refused) as refusal:
        await open_socket(port_of(process), path, subprotocols=["quartet.v1"]).__aenter__()
    assert refusal.value.status == 400


async def test_a_private_lobby_is_followed_by_its_players_alone(
    process: Running, player: Player, mint: TokenMint
) -> None:
    lobby = await player.create(settings={"is_private": True})
    async with opened(process, lobby) as socket:
        await socket.send({"type": "auth", "token": token_of(Crowd(process.client, mint).player())})
        assert await socket.closed() == 4403
    async with following(process, lobby, player) as follower:
        assert follower.welcome["data"]["lobby"]["id"] == lobby["id"]


async def test_a_token_is_renewed_by_its_own_user_alone(
    process: Running, player: Player, mint: TokenMint
) -> None:
    lobby = await player.create()
    crowd = Crowd(process.client, mint)
    async with following(process, lobby, player) as follower:
        renewed = token_of(crowd.player(user_id=player.id))
        await follower.socket.send({"type": "auth", "token": renewed})
        await receive(follower, "accepted")
        await follower.socket.send({"type": "auth", "token": token_of(crowd.player())})
        assert await follower.socket.closed() == 4403
    async with following(process, lobby, player) as follower:
        await follower.socket.send({"type": "auth", "token": "x"})
        assert await follower.socket.closed() == 4401


async def append_chat(sql: "asyncpg.Connection[Any]", lobby: dict[str, Any], number: int) -> int:
    """Put so many messages into the lobby's log at once, as other processes might; gives the last `seq`."""
    async with sql.transaction():
        head: int = await sql.fetchval(
            "UPDATE lobbies SET event_seq = event_seq + $2 WHERE id = $1 RETURNING event_seq",
            lobby["id"],
            number,
        )
        await sql.execute(
            """
            INSERT INTO lobby_events (lobby_id, seq, type, data)
            SELECT $1, $2 - $3 + number, 'chat.message', jsonb_build_object(
                'user_id', $4::uuid, 'username', NULL, 'text', repeat('€', 500)
            ) FROM generate_series(1, $3) AS number
            """,
            lobby["id"],
            head,
            number,
            lobby["host_id"],
        )
    return head


async def flood(sql: "asyncpg.Connection[Any]", lobby: dict[str, Any], follower: Follower) -> None:
    """More events than anybody keeps for a client that does not read; the follower gets all."""
    for _ in range(PORTIONS):
        await wait_for_seq(follower, await append_chat(sql, lobby, EVENTS))


async def wait_for_seq(follower: Follower, seq: int) -> None:
    """Receive events up to this one."""
    while not follower.events or follower.events[-1]["seq"] < seq:
        await follower.receive()


async def count_sockets(process: Running) -> int:
    """The gauge of open sockets."""
    metrics = (await process.client.get("/metrics")).text
    (line,) = (line for line in metrics.splitlines() if line.startswith("l2p_sockets "))
    return int(float(line.split(" ")[1]))


def count_connections(process: Running, port: int) -> int:
    """How many connections the process has to this port of a client."""
    ends = psutil.Process(process.process.pid).net_connections("tcp")
    return sum(bool(end.raddr) and end.raddr.port == port for end in ends)


async def test_a_client_that_never_reads_is_cut_off_and_nobody_else_notices(
    process: Running, player: Player, mint: TokenMint, pair_sql: "asyncpg.Connection[Any]"
) -> None:
    lobby = await player.create()
    sleeper = Crowd(process.client, mint).player()
    auth = {"type": "auth", "token": token_of(sleeper)}
    path = f"/v1/lobbies/{lobby['id']}/events"
    async with (
        following(process, lobby, player) as follower,
        open_unread(port_of(process), path, subprotocol="quartet.v1", first=json.dumps(auth)) as raw,
    ):
        port = raw.getsockname()[1]
        await flood(pair_sql, lobby, follower)
        async with asyncio.timeout(SECONDS):
            while count_connections(process, port):  # noqa: ASYNC110  another process ends it
                await asyncio.sleep(0.05)
    seqs = [event["seq"] for event in follower.events]
    assert len(seqs) >= PORTIONS * EVENTS
    assert seqs == list(range(follower.welcome["seq"] + 1, seqs[-1] + 1))


async def test_sockets_that_are_reset_disturb_no_other(
    process: Running, player: Player, mint: TokenMint, pair_sql: "asyncpg.Connection[Any]"
) -> None:
    lobby = await player.create()
    crowd = Crowd(process.client, mint)
    async with contextlib.AsyncExitStack() as stack:
        followers = [
            await stack.enter_async_context(following(process, lobby, each))
            for each in [player, *crowd.players(8)]
        ]
        auth = {"type": "auth", "token": token_of(crowd.player())}
        path = f"/v1/lobbies/{lobby['id']}/events"
        async with open_unread(
            port_of(process), path, subprotocol="quartet.v1", first=json.dumps(auth)
        ) as raw:
            head = await append_chat(pair_sql, lobby, EVENTS)
            others = asyncio.gather(*(wait_for_seq(follower, head) for follower in followers[1:]))
            await wait_for_seq(followers[0], head - EVENTS // 2)
            before = await count_sockets(process)
            raw.reset()
            await asyncio.gather(others, wait_for_seq(followers[0], head))
            async with asyncio.timeout(SECONDS):
                while await count_sockets(process) != before - 1:  # noqa: ASYNC110  another process counts
                    await asyncio.sleep(0.05)
    for follower in followers:
        seqs = [event["seq"] for event in follower.events]
        assert seqs == list(range(follower.welcome["seq"] + 1, seqs[-1] + 1))


async def test_frames_of_many_messages_are_arrays_for_who_asks(
    process: Running, player: Player, pair_sql: "asyncpg.Connection[Any]"
) -> None:
    lobby = await player.create()
    async with opened(process, lobby) as socket:
        await socket.send({"type": "auth", "token": token_of(player), "batch": True})
        welcome = await socket.receive()
        head = await append_chat(pair_sql, lobby, EVENTS)
        received = await receive_arrays(socket, head)
    seqs = [event["seq"] for event in received]
    assert seqs == list(range(welcome["seq"] + 1, seqs[-1] + 1))


async def receive_arrays(socket: Socket, head: int) -> list[Any]:
    """All messages of the frames up to the one with this `seq`."""
    received: list[Any] = []
    arrays = 0
    while not received or received[-1]["seq"] < head:
        text = await socket.receive_text()
        assert len(text.encode()) < 64 * 1024
        frame = json.loads(text)
        arrays += isinstance(frame, list)
        received += frame if isinstance(frame, list) else [frame]
    assert arrays
    return received


async def close_far_away(process: Running, mint: TokenMint, port: int) -> tuple[str, int]:
    """The last event that a far client gets of a lobby that closes, and the code after it."""
    host, guest = Crowd(process.client, mint).players(2)
    lobby = await host.create()
    async with following(process, lobby, guest, port=port) as follower:
        await host.leave(lobby)
        last = await follower.wait_for("lobby.closed")
        return last["type"], await follower.socket.closed()


@pytest.mark.parametrize("times", [5, pytest.param(100, marks=pytest.mark.long)])
async def test_a_far_client_gets_the_last_event_and_the_code(
    process: Running, mint: TokenMint, times: int
) -> None:
    async with slow_network(port_of(process), seconds=0.05) as port:
        ends = [await close_far_away(process, mint, port) for _ in range(times)]
    assert ends == [("lobby.closed", 4410)] * times
