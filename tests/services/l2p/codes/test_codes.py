"""Codes of lobbies, and the limit of guesses."""

import asyncio
import itertools
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import asyncpg
import httpx
import pytest

from dbcommon.engine import Database
from l2p.codes.codes import CODE_ALPHABET, generate_code
from l2p.codes.repository import GUESSES
from l2p.codes.service import NETWORK_GUESSES
from l2p.lobbies.errors import NoFreeCode
from l2p.lobbies.schemas import Lobby, LobbyRequest
from l2p.lobbies.service import create_lobby
from l2p.log.log import LobbyLog
from tests.services.l2p.players import Crowd, Player
from webcommon.app.service import Service

Connection = asyncpg.Connection

WRONG = "CCCCCC"


@pytest.fixture(autouse=True)
async def _no_guesses_of_the_network(sql: "Connection[Any]") -> None:
    # All tests come from one network.
    await sql.execute("DELETE FROM attempt_counters")


async def find(player: Player, code: str) -> httpx.Response:
    return await player.get(f"/v1/lobbies/by-code/{code}")


def test_codes_contain_no_characters_that_look_alike() -> None:
    codes = "".join(generate_code() for _ in range(2_000))
    assert set(codes) == set(CODE_ALPHABET)
    assert set(codes).isdisjoint("01258AEBILOSUZ")


async def test_joining_a_private_lobby_requires_its_code(crowd: Crowd, sql: "Connection[Any]") -> None:
    host, guest = crowd.players(2)
    lobby = await host.create(settings={"is_private": True})
    for attempt in (await guest.join(lobby), await guest.join(lobby, code=WRONG)):
        assert (attempt.status_code, attempt.json()["type"]) == (404, "/problems/not-found")
    entered = await guest.join(lobby, code=lobby["code"].lower())
    assert entered.status_code == 200
    assert await guest.look_at(lobby) == entered.json()
    assert (await guest.join(lobby)).status_code == 200  # players need no code
    count = await sql.fetchval("SELECT count(*) FROM lobby_players WHERE lobby_id = $1", lobby["id"])
    assert count == 2


async def test_the_code_of_another_lobby_is_wrong(crowd: Crowd) -> None:
    host, guest = crowd.players(2)
    lobby, other = [await host.create(settings={"is_private": True}) for _ in range(2)]
    assert (await guest.join(lobby, code=other["code"])).status_code == 404


async def create_with(app: Service, player: Player, codes: Iterable[str]) -> Lobby:
    generated = iter(codes)
    request = LobbyRequest(name="Friday quiz")
    async with app.component(Database).transaction() as db:
        return await create_lobby(
            db, request, player_id=player.id, log=LobbyLog(lambda *_: None), generate=lambda: next(generated)
        )


async def test_a_code_in_use_is_replaced_by_another(crowd: Crowd, app: Service) -> None:
    host = crowd.player()
    taken = (await host.create())["code"]
    lobby = await create_with(app, host, [taken, taken, "DDDDDD"])
    assert lobby.code == "DDDDDD"
    with pytest.raises(NoFreeCode):
        await create_with(app, host, itertools.repeat(taken))


async def test_the_code_of_a_closed_lobby_can_be_used_again(crowd: Crowd, app: Service) -> None:
    host, guest = crowd.players(2)
    lobby = await host.create()
    await host.leave(lobby)
    await guest.get("/v1/users/me")
    assert (await create_with(app, guest, [lobby["code"]])).code == lobby["code"]


async def test_one_code_generated_twenty_times_at_once_belongs_to_one_lobby(
    crowd: Crowd, app: Service, sql: "Connection[Any]"
) -> None:
    host = crowd.player()
    await host.get("/v1/users/me")
    others = ["".join(letters) for letters in itertools.islice(itertools.permutations("CDFGHJ"), 20)]
    lobbies = await asyncio.gather(*(create_with(app, host, ["KKKKKK", other]) for other in others))
    assert sorted(lobby.code or "" for lobby in lobbies)[-1] == "KKKKKK"
    assert len({lobby.code for lobby in lobbies}) == 20
    assert await sql.fetchval("SELECT count(*) FROM lobbies WHERE code = 'KKKKKK'") == 1


async def test_after_too_many_wrong_codes_right_ones_are_refused_too(crowd: Crowd) -> None:
    host, guesser, other = crowd.players(3)
    lobby = await host.create(settings={"is_private": True})
    for turn in range(GUESSES):
        guess = await (find(guesser, WRONG) if turn % 2 else guesser.join(lobby, code=WRONG))
        assert guess.status_code == 404
    for refused in (
        await find(guesser, WRONG),
        await find(guesser, lobby["code"]),
        await guesser.join(lobby, code=lobby["code"]),
    ):
        assert (refused.status_code, refused.json()["type"]) == (429, "/problems/too-many-code-guesses")
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert (await find(other, lobby["code"])).status_code == 200


async def test_a_hundred_guesses_at_once_stay_within_the_limit(
    crowd: Crowd, replica: httpx.AsyncClient, sql: "Connection[Any]"
) -> None:
    here = crowd.player()
    there = Player(client=replica, id=here.id, headers=here.headers)
    answers = await asyncio.gather(*(find((here, there)[turn % 2], WRONG) for turn in range(100)))
    assert Counter(answer.status_code for answer in answers) == {404: GUESSES, 429: 100 - GUESSES}
    statement = "SELECT cardinality(guessed_at) FROM code_guesses WHERE user_id = $1"
    assert await sql.fetchval(statement, here.id) == GUESSES


async def test_guesses_expire_after_a_minute(crowd: Crowd, sql: "Connection[Any]") -> None:
    guesser = crowd.player()
    for _ in range(GUESSES):
        await find(guesser, WRONG)
    await sql.execute(
        "UPDATE code_guesses SET guessed_at = ARRAY(SELECT guess - interval '50 s' FROM unnest(guessed_at) AS guess)"
        " WHERE user_id = $1",
        guesser.id,
    )
    limited = await find(guesser, WRONG)
    assert limited.status_code == 429
    assert int(limited.headers["Retry-After"]) <= 10
    await sql.execute(
        "UPDATE code_guesses SET guessed_at[1] = now() - interval '61 s' WHERE user_id = $1", guesser.id
    )
    assert [(await find(guesser, WRONG)).status_code for _ in range(2)] == [404, 429]


async def test_right_codes_do_not_count(crowd: Crowd) -> None:
    host, guest = crowd.players(2)
    lobby = await host.create(settings={"is_private": True})
    for _ in range(GUESSES + 5):
        assert (await find(guest, lobby["code"])).status_code == 200


@pytest.mark.parametrize("code", ["x", "%20", "😀", "A" * 32, "' OR 1=1 --"])
async def test_a_malformed_code_is_answered_as_a_wrong_one(crowd: Crowd, code: str) -> None:
    assert (await find(crowd.player(), code)).status_code == 404


async def test_a_network_has_a_hundred_wrong_codes_and_others_on_it_still_find_theirs(
    crowd: Crowd, replica: httpx.AsyncClient, sql: "Connection[Any]"
) -> None:
    host = crowd.player()
    lobby = await host.create(settings={"is_private": True})
    guessers = [crowd.player(client=(crowd.client, replica)[turn % 2]) for turn in range(15)]
    answers = await asyncio.gather(*(find(guesser, WRONG) for guesser in guessers for _ in range(10)))
    assert Counter(answer.status_code for answer in answers) == {404: NETWORK_GUESSES, 429: 50}
    # Whoever has guessed wrong is refused, also with the right code.
    refused = await guessers[0].join(lobby, code=lobby["code"])
    assert (refused.status_code, refused.json()["type"]) == (429, "/problems/too-many-code-guesses")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    for turn in range(5):
        other = crowd.player()
        assert (await find(other, lobby["code"])).status_code == 200
        assert (await other.join(lobby, code=lobby["code"])).status_code == 200, turn
    other = crowd.player()
    assert [(await find(other, code)).status_code for code in (WRONG, lobby["code"])] == [429, 429]


async def test_right_codes_do_not_count_for_the_network(crowd: Crowd, sql: "Connection[Any]") -> None:
    host = crowd.player()
    lobby = await host.create(settings={"is_private": True}, max_players=500)
    finders = crowd.players(NETWORK_GUESSES + 10)
    answers = await asyncio.gather(*(find(finder, lobby["code"]) for finder in finders))
    assert {answer.status_code for answer in answers} == {200}
    assert await sql.fetch("SELECT FROM attempt_counters WHERE cardinality(attempted_at) > 0") == []


@pytest.mark.parametrize("guesses", [240, pytest.param(10_000, marks=pytest.mark.long)])
async def test_a_flood_of_guesses_finds_nothing_and_keeps_nobody_from_the_right_code(
    crowd: Crowd, replica: httpx.AsyncClient, guesses: int
) -> None:
    host = crowd.player()
    lobby = await host.create(settings={"is_private": True}, max_players=500)
    guessers = [crowd.player(client=(crowd.client, replica)[turn % 2]) for turn in range(20)]
    began = asyncio.get_running_loop().time()

    async def guess(guesser: Player) -> list[int]:
        return [(await find(guesser, WRONG)).status_code for _ in range(guesses // len(guessers))]

    async def join() -> list[int]:
        others = crowd.players(guesses // 20)
        return [(await other.join(lobby, code=lobby["code"])).status_code for other in others[:400]]

    flood, joined = await asyncio.gather(asyncio.gather(*map(guess, guessers)), join())
    minutes = math.ceil((asyncio.get_running_loop().time() - began) / 60)
    answered = Counter(status for statuses in flood for status in statuses)
    assert answered.keys() == {404, 429}
    assert NETWORK_GUESSES <= answered[404] <= NETWORK_GUESSES * minutes
    assert set(joined) == {200}
