"""Guests: a seat and a token by a code and a nickname, good for one lobby."""

import asyncio
import re
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from l2p.codes.service import NETWORK_GUESSES
from tests.services.l2p.following import command, read_log, wait_for_phase
from tests.services.l2p.games.playing import QUICK, start_game
from tests.services.l2p.players import Crowd, Player

Connection = asyncpg.Connection

SLOW = {"starting_ms": 0, "time_limit_ms": 120_000, "reveal_ms": 60_000}
TAKEN = (409, "/problems/nickname-taken")
REFUSED = (403, "/problems/guest-not-allowed")


@pytest.fixture(autouse=True)
async def _no_guesses_of_the_network(sql: "Connection[Any]") -> None:
    await sql.execute("DELETE FROM attempt_counters")


async def knock(client: httpx.AsyncClient, code: str, nickname: str) -> httpx.Response:
    return await client.post(f"/v1/lobbies/by-code/{code}/guests", json={"nickname": nickname})


async def admit(client: httpx.AsyncClient, lobby: dict[str, Any], nickname: str) -> Player:
    """A guest of the lobby."""
    response = await knock(client, lobby["code"], nickname)
    assert response.status_code == 201, response.text
    body = response.json()
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    return Player(client=client, id=UUID(body["user"]["id"]), headers=headers)


def told(response: httpx.Response) -> tuple[int, str]:
    """A response's status, and the type of its problem."""
    return response.status_code, response.json()["type"]


async def test_a_guest_has_a_seat_and_a_token(crowd: Crowd, sql: "Connection[Any]") -> None:
    host = crowd.player()
    lobby = await host.create(settings={"is_private": True})
    response = await knock(crowd.client, lobby["code"].lower(), "O'Brien 🦊\u200b")
    assert response.status_code == 201
    body = response.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 43_200)
    assert body["user"]["username"] == "O'Brien 🦊"
    assert [player["username"] for player in body["lobby"]["players"]][1] == "O'Brien 🦊"
    assert body["lobby"] == await host.look_at(lobby)
    kind, data = (await read_log(sql, lobby))[-1]
    assert (kind, data) == ("player.joined", {"user_id": body["user"]["id"], "username": "O'Brien 🦊"})


async def test_a_guest_plays_leaves_and_returns_by_the_token(
    crowd: Crowd, replica: httpx.AsyncClient
) -> None:
    host = crowd.player()
    lobby = await host.create(settings=SLOW | {"is_private": True, "allow_late_join": False})
    here = await admit(crowd.client, lobby, "Ana")
    guest = Player(client=replica, id=here.id, headers=here.headers)
    path = f"/v1/lobbies/{lobby['id']}"
    assert (await guest.post(f"{path}/ready", {"is_ready": True})).status_code == 204
    assert (await guest.get(f"{path}/players")).json()["items"][1]["is_ready"] is True
    game = await start_game(host, lobby)
    state = await wait_for_phase(guest, game, "question")
    assert {score["username"] for score in state["scores"]} >= {"Ana"}
    answer = {"question_id": state["question"]["id"], "answer": "4"}
    assert (await guest.post(f"/v1/games/{game['id']}/answers", answer)).status_code == 202
    assert (await guest.leave(lobby)).status_code == 204
    assert told(await knock(crowd.client, lobby["code"], "Ana")) == TAKEN
    assert (await guest.join(lobby, code=lobby["code"])).status_code == 200
    await command(host, game, "close")
    results = (await guest.get(f"/v1/games/{game['id']}/results")).json()["items"]
    assert (results[0]["username"], results[0]["correct_answers"]) == ("Ana", 1)
    played = (await guest.get(f"/v1/games/{game['id']}/questions")).json()["items"]
    assert played[0]["answers"][0]["username"] == "Ana"


async def test_names_that_look_alike_are_one(crowd: Crowd) -> None:
    host = crowd.player()
    lobby, other = await host.create(), await host.create()
    await admit(crowd.client, lobby, "Ana")
    for name in ("Ana", "ANA", "ana", "Ana\u200b", "\uff21na"):
        assert told(await knock(crowd.client, lobby["code"], name)) == TAKEN
    await admit(crowd.client, other, "ana")
    await admit(crowd.client, lobby, "Anna")


async def test_a_guest_does_not_take_the_name_of_a_player_in_the_lobby(crowd: Crowd) -> None:
    host = crowd.player(username="ada.lovelace")
    lobby, watched = await host.create(), await host.create(settings={"host_plays": False})
    assert told(await knock(crowd.client, watched["code"], "Ada.Lovelace")) == TAKEN
    assert told(await knock(crowd.client, lobby["code"], "Ada.Lovelace")) == TAKEN


async def test_a_nickname_takes_no_username(crowd: Crowd) -> None:
    lobby = await crowd.player().create()
    await admit(crowd.client, lobby, "grace")
    player = crowd.player(username="grace")
    assert (await player.get("/v1/users/me")).json()["username"] == "grace"
    account = {"username": "Grace", "email": "grace@example.com", "password": "seven quiet harbours"}
    taken = await crowd.client.post("/v1/auth/register", json=account)
    assert told(taken) == (409, "/problems/username-taken")
    account["username"] = "Anabel"
    await admit(crowd.client, lobby, "anabel")
    assert (await crowd.client.post("/v1/auth/register", json=account)).status_code == 201


@pytest.mark.parametrize("nickname", ["", "  ", "\u200b\u2060", "\u3164", "A" * 33, None, 7])
async def test_a_nickname_that_is_none_is_refused(crowd: Crowd, nickname: Any) -> None:
    lobby = await crowd.player().create()
    assert (await knock(crowd.client, lobby["code"], nickname)).status_code == 422


async def test_fifty_guests_at_once_with_one_name_are_one(
    crowd: Crowd, replica: httpx.AsyncClient, sql: "Connection[Any]"
) -> None:
    lobby = await crowd.player().create(max_players=100)
    clients = (crowd.client, replica)
    answers = await asyncio.gather(
        *(knock(clients[turn % 2], lobby["code"], ("Ana", "ANA")[turn % 2]) for turn in range(50))
    )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 49}
    assert await sql.fetchval("SELECT count(*) FROM users WHERE guest_lobby_id = $1", lobby["id"]) == 1


async def test_fifty_guests_at_once_fill_the_seats_exactly(
    crowd: Crowd, replica: httpx.AsyncClient, sql: "Connection[Any]"
) -> None:
    lobby = await crowd.player().create(max_players=8)
    clients = (crowd.client, replica)
    answers = await asyncio.gather(
        *(knock(clients[turn % 2], lobby["code"], f"Guest {turn}") for turn in range(50))
    )
    assert Counter(answer.status_code for answer in answers) == {201: 7, 409: 43}
    assert {told(answer) for answer in answers if answer.status_code == 409} == {
        (409, "/problems/lobby-full")
    }
    # Who was not let in left no name behind.
    assert await sql.fetchval("SELECT count(*) FROM users WHERE guest_lobby_id = $1", lobby["id"]) == 7


async def test_a_locked_lobby_admits_no_guest(crowd: Crowd) -> None:
    lobby = await crowd.player().create(settings={"locked": True})
    assert told(await knock(crowd.client, lobby["code"], "Ana")) == (409, "/problems/lobby-locked")


async def test_a_kicked_guest_stays_out(crowd: Crowd) -> None:
    host = crowd.player()
    lobby = await host.create()
    guest = await admit(crowd.client, lobby, "Ana")
    kick = {"user_id": str(guest.id)}
    assert (await host.post(f"/v1/lobbies/{lobby['id']}/kick", kick)).status_code == 204
    assert told(await guest.join(lobby)) == (403, "/problems/banned")


async def test_a_guest_is_refused_everywhere_else(crowd: Crowd, replica: httpx.AsyncClient) -> None:
    host = crowd.player()
    lobby, other = await host.create(), await host.create(settings=SLOW)
    game = await start_game(host, other)
    guest = await admit(crowd.client, lobby, "Ana")
    ids = {"lobby_id": other["id"], "game_id": game["id"], "code": other["code"]}
    paths = (await crowd.client.get("/openapi.json")).json()["paths"]
    operations = [
        (method, re.sub(r"\{(\w+)\}", lambda part: ids.get(part[1], str(uuid4())), path))
        for path, methods in paths.items()
        for method, operation in methods.items()
        if "security" in operation
    ]
    assert len(operations) > 20
    for method, path in operations:
        for client in (crowd.client, replica):
            response = await client.request(method.upper(), path, headers=guest.headers)
            assert told(response) == REFUSED, (method, path)
    assert (await host.look_at(other))["player_count"] == 1


async def test_guests_are_not_rated_and_on_no_leaderboard(crowd: Crowd, sql: "Connection[Any]") -> None:
    host = crowd.player()
    lobby = await host.create(settings=QUICK | {"advance": "host"})
    guest = await admit(crowd.client, lobby, "Ana")
    game = await start_game(host, lobby)
    state = await wait_for_phase(guest, game, "question")
    answer = {"question_id": state["question"]["id"], "answer": "4"}
    assert (await guest.post(f"/v1/games/{game['id']}/answers", answer)).status_code == 202
    for name in ("close", "next", "close", "next"):
        await wait_for_phase(guest, game, "question" if name == "close" else "reveal")
        await command(host, game, name)
    assert (await wait_for_phase(guest, game, "finished"))["scores"][0]["user_id"] == str(guest.id)
    for by in ("rating", "score", "wins"):
        board = (await host.get("/v1/leaderboard", by=by, limit=100)).json()["items"]
        assert str(guest.id) not in {row["user"]["id"] for row in board}
    assert await sql.fetchval("SELECT rating FROM users WHERE id = $1", guest.id) == 1500


async def test_wrong_codes_of_guests_count_for_their_network(
    crowd: Crowd, replica: httpx.AsyncClient
) -> None:
    lobby = await crowd.player().create()
    clients = (crowd.client, replica)
    answers = await asyncio.gather(*(knock(clients[turn % 2], "CCCCCC", "Ana") for turn in range(120)))
    assert Counter(answer.status_code for answer in answers) == {404: NETWORK_GUESSES, 429: 20}
    refused = await knock(crowd.client, lobby["code"], "Ana")
    assert told(refused) == (429, "/problems/too-many-code-guesses")
    # A player with an account still finds the lobby.
    assert (await crowd.player().get(f"/v1/lobbies/by-code/{lobby['code']}")).status_code == 200


@pytest.mark.long
async def test_more_guests_at_once_than_a_network_has_guesses_are_all_admitted(crowd: Crowd) -> None:
    lobby = await crowd.player().create(max_players=500)
    answers = await asyncio.gather(
        *(knock(crowd.client, lobby["code"], f"Guest {turn}") for turn in range(130))
    )
    assert Counter(answer.status_code for answer in answers) == {201: 130}
