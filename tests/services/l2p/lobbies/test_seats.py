"""Joining and leaving: seats, hosts and closing."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from dbcommon.engine import Database
from l2p.log.log import LobbyLog
from l2p.seats.entrants import Entrant
from l2p.seats.seats import LobbySeats
from l2p.seats.service import Joined, join_lobby
from tests.services.l2p.players import Crowd
from webcommon.app.service import Service

Connection = asyncpg.Connection


async def seated(sql: "Connection[Any]", lobby: dict[str, Any]) -> list[UUID]:
    rows = await sql.fetch(
        "SELECT user_id FROM lobby_players WHERE lobby_id = $1 ORDER BY joined_at, id", lobby["id"]
    )
    return [row["user_id"] for row in rows]


async def state(sql: "Connection[Any]", lobby: dict[str, Any]) -> tuple[str, UUID | None]:
    row = await sql.fetchrow("SELECT status, host_id FROM lobbies WHERE id = $1", lobby["id"])
    assert row is not None
    return row["status"], row["host_id"]


async def test_joining_gives_a_seat(crowd: Crowd) -> None:
    host, guest = crowd.players(2)
    lobby = await host.create()
    response = await guest.join(lobby)
    assert response.status_code == 200
    joined = response.json()
    assert [player["user_id"] for player in joined["players"]] == [str(host.id), str(guest.id)]
    assert joined["host_id"] == str(host.id)
    assert joined == await host.look_at(lobby)


async def test_joining_again_changes_nothing(crowd: Crowd, sql: "Connection[Any]") -> None:
    host, guest = crowd.players(2)
    lobby = await host.create(max_players=2)
    first = await guest.join(lobby)
    assert (await guest.join(lobby)).json() == first.json()
    assert (await host.join(lobby)).status_code == 200
    assert await seated(sql, lobby) == [host.id, guest.id]


async def test_one_player_joining_twenty_times_at_once_has_one_seat(
    crowd: Crowd, sql: "Connection[Any]"
) -> None:
    host, guest = crowd.players(2)
    lobby = await host.create()
    responses = await asyncio.gather(*(guest.join(lobby) for _ in range(20)))
    assert {response.status_code for response in responses} == {200}
    assert await seated(sql, lobby) == [host.id, guest.id]


async def test_fifty_joining_at_once_fill_eight_seats_exactly(
    crowd: Crowd, replica: httpx.AsyncClient, sql: "Connection[Any]"
) -> None:
    host = crowd.player()
    lobby = await host.create(max_players=8)
    guests = [crowd.player(client=(crowd.client, replica)[turn % 2]) for turn in range(50)]
    responses = await asyncio.gather(*(guest.join(lobby) for guest in guests))
    assert Counter(response.status_code for response in responses) == {200: 7, 409: 43}
    refusals = [response.json()["type"] for response in responses if response.status_code == 409]
    assert set(refusals) == {"/problems/lobby-full"}
    taken = await seated(sql, lobby)
    admitted = {
        guest.id for guest, answer in zip(guests, responses, strict=True) if answer.status_code == 200
    }
    assert len(taken) == 8
    assert set(taken) == admitted | {host.id}


async def test_a_freed_seat_is_taken_once(crowd: Crowd, sql: "Connection[Any]") -> None:
    host, guest, *waiting = crowd.players(22)
    lobby = await host.create(max_players=2)
    await guest.join(lobby)
    left, *answers = await asyncio.gather(guest.leave(lobby), *(player.join(lobby) for player in waiting))
    assert left.status_code == 204
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[200] <= 1
    assert set(statuses) <= {200, 409}
    assert len(await seated(sql, lobby)) == 1 + statuses[200]


async def test_a_lobby_for_one_is_full_with_its_host(crowd: Crowd) -> None:
    host, guest = crowd.players(2)
    lobby = await host.create(max_players=1)
    response = await guest.join(lobby)
    assert (response.status_code, response.json()["type"]) == (409, "/problems/lobby-full")


async def test_a_host_who_leaves_hands_over_to_the_longest_present(
    crowd: Crowd, sql: "Connection[Any]"
) -> None:
    host, first, second = crowd.players(3)
    lobby = await host.create()
    await first.join(lobby)
    await second.join(lobby)
    await first.leave(lobby)
    await first.join(lobby)  # first is now the player who joined last
    assert (await host.leave(lobby)).status_code == 204
    assert await state(sql, lobby) == ("waiting", second.id)
    seen = await first.look_at(lobby)
    assert seen["creator_id"] == str(host.id)
    assert [player["user_id"] for player in seen["players"]] == [str(second.id), str(first.id)]


async def test_a_host_who_leaves_hands_over_to_one_who_is_connected(
    crowd: Crowd, sql: "Connection[Any]"
) -> None:
    host, gone, here = crowd.players(3)
    lobby = await host.create()
    for player in (gone, here):
        await player.join(lobby)
    await sql.execute(
        "INSERT INTO lobby_presence (lobby_id, user_id, seen_until) VALUES ($1, $2, now())"
        " ON CONFLICT (lobby_id, user_id) DO UPDATE SET seen_until = excluded.seen_until",
        lobby["id"],
        gone.id,
    )
    await host.leave(lobby)
    assert await state(sql, lobby) == ("waiting", here.id)
    await sql.execute("UPDATE lobby_presence SET seen_until = now() WHERE lobby_id = $1", lobby["id"])
    await here.leave(lobby)
    assert await state(sql, lobby) == ("waiting", gone.id)


async def test_presence_counts_from_the_seat_and_not_from_the_request(crowd: Crowd, app: Service) -> None:
    host, early, late = crowd.players(3)
    lobby = await host.create()
    await late.get("/v1/users/me")
    async with app.component(Database).transaction() as db:
        await db.execute(text("SELECT now()"))  # the transaction of the late player starts
        await early.join(lobby)
        entrants = [Entrant(user_id=late.id)]
        [joined] = await join_lobby(db, UUID(lobby["id"]), entrants, log=app.component(LobbyLog))
    assert isinstance(joined, Joined)
    assert [player.user_id for player in joined.lobby.players] == [host.id, early.id, late.id]


async def test_one_whose_row_has_vanished_takes_no_seat_from_those_who_join_at_once(
    crowd: Crowd, app: Service, sql: "Connection[Any]"
) -> None:
    host, player, vanished = crowd.players(3)
    lobby = await host.create()
    await player.get("/v1/users/me")
    seats = app.component(LobbySeats)
    outcomes = await asyncio.gather(
        *(seats.join(UUID(lobby["id"]), Entrant(user_id=each.id)) for each in (vanished, player)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [IntegrityError, Joined]
    assert await seated(sql, lobby) == [host.id, player.id]


async def test_a_guest_who_leaves_does_not_change_the_host(crowd: Crowd, sql: "Connection[Any]") -> None:
    host, guest = crowd.players(2)
    lobby = await host.create()
    await guest.join(lobby)
    assert (await guest.leave(lobby)).status_code == 204
    assert await state(sql, lobby) == ("waiting", host.id)
    assert await seated(sql, lobby) == [host.id]


async def test_a_lobby_gets_a_new_host_after_the_hosts_account_was_deleted(
    crowd: Crowd, sql: "Connection[Any]"
) -> None:
    (host, first, second), (other_host, only) = crowd.players(3), crowd.players(2)
    lobby, emptied = await host.create(), await other_host.create()
    await first.join(lobby)
    await second.join(lobby)
    await sql.execute("DELETE FROM users WHERE id = ANY($1)", [host.id, other_host.id])
    assert await state(sql, lobby) == await state(sql, emptied) == ("waiting", None)
    await second.leave(lobby)
    assert await state(sql, lobby) == ("waiting", first.id)
    assert (await only.join(emptied)).json()["host_id"] == str(only.id)


async def test_the_last_player_to_leave_closes_the_lobby_and_its_games_stay(
    crowd: Crowd, sql: "Connection[Any]"
) -> None:
    host, stranger = crowd.players(2)
    lobby = await host.create()
    game = await sql.fetchval(
        "INSERT INTO games (lobby_id, status) VALUES ($1, 'finished') RETURNING id", lobby["id"]
    )
    assert (await host.leave(lobby)).status_code == 204
    closed = await stranger.look_at(lobby)
    assert (closed["status"], closed["host_id"], closed["player_count"]) == ("closed", None, 0)
    assert await sql.fetchval("SELECT lobby_id FROM games WHERE id = $1", game) == UUID(lobby["id"])
    response = await stranger.join(lobby)
    assert (response.status_code, response.json()["type"]) == (409, "/problems/lobby-closed")
    assert (await stranger.get(f"/v1/lobbies/by-code/{lobby['code']}")).status_code == 404


@pytest.mark.parametrize("turn", range(5))
async def test_host_and_guest_leaving_at_once_close_the_lobby(
    crowd: Crowd, replica: httpx.AsyncClient, sql: "Connection[Any]", turn: int
) -> None:
    host, guest = crowd.player(), crowd.player(client=replica)
    lobby = await host.create()
    await guest.join(lobby)
    answers = await asyncio.gather(host.leave(lobby), guest.leave(lobby))
    assert [answer.status_code for answer in answers] == [204, 204]
    assert await state(sql, lobby) == ("closed", None)
    assert await seated(sql, lobby) == []


@pytest.mark.parametrize("turn", range(5))
async def test_joining_while_the_last_player_leaves_either_joins_or_finds_it_closed(
    crowd: Crowd, replica: httpx.AsyncClient, sql: "Connection[Any]", turn: int
) -> None:
    host, guest = crowd.player(), crowd.player(client=replica)
    lobby = await host.create()
    left, joined = await asyncio.gather(host.leave(lobby), guest.join(lobby))
    assert left.status_code == 204
    if joined.status_code == 200:
        assert await state(sql, lobby) == ("waiting", guest.id)
        assert await seated(sql, lobby) == [guest.id]
    else:
        assert joined.json()["type"] == "/problems/lobby-closed"
        assert await state(sql, lobby) == ("closed", None)


async def test_leaving_again_changes_nothing(crowd: Crowd) -> None:
    host, guest = crowd.players(2)
    lobby = await host.create()
    await guest.join(lobby)
    assert [(await guest.leave(lobby)).status_code for _ in range(2)] == [204, 204]
    private = await host.create(settings={"is_private": True})
    assert (await guest.leave(private)).status_code == 404


async def test_joining_a_running_game_requires_allow_late_join(crowd: Crowd, sql: "Connection[Any]") -> None:
    host, guest = crowd.players(2)
    open_one = await host.create()
    strict = await host.create(settings={"allow_late_join": False})
    for lobby in (open_one, strict):
        await sql.execute("UPDATE lobbies SET status = 'in_game' WHERE id = $1", lobby["id"])
    assert (await guest.join(open_one)).status_code == 200
    response = await guest.join(strict)
    assert (response.status_code, response.json()["type"]) == (409, "/problems/game-under-way")


async def test_a_body_with_unknown_fields_is_refused(crowd: Crowd) -> None:
    host, guest = crowd.players(2)
    lobby = await host.create()
    path = f"/v1/lobbies/{lobby['id']}/join"
    assert (await guest.post(path, {"seat": 3})).status_code == 422
    for body in ({}, {"code": None}, {"code": "wrong, but not asked for"}):
        assert (await guest.post(path, body)).status_code == 200
