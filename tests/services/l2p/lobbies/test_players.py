"""The players that a lobby is read with, and all of them in pages."""

from typing import Any

import asyncpg

from tests.services.l2p.players import Crowd

Connection = asyncpg.Connection


async def test_the_players_of_a_lobby_come_in_pages(crowd: Crowd) -> None:
    host, stranger = crowd.players(2)
    lobby = await host.create(settings={"is_private": True})
    for guest in crowd.players(4):
        await guest.join(lobby, code=lobby["code"])
    path, cursor, found = f"/v1/lobbies/{lobby['id']}/players", None, []
    for length in (2, 2, 1):
        page = (await host.get(path, limit=2, **({} if cursor is None else {"cursor": cursor}))).json()
        assert len(page["items"]) == length
        found += page["items"]
        cursor = page["next_cursor"]
    assert cursor is None
    assert found == (await host.look_at(lobby))["players"]
    refused = await stranger.get(path)
    assert (refused.status_code, refused.json()["type"]) == (404, "/problems/not-found")


async def test_a_lobby_is_read_with_its_first_hundred_players(crowd: Crowd, sql: "Connection[Any]") -> None:
    host = crowd.player()
    lobby = await host.create(max_players=200)
    await sql.execute(
        "WITH added AS (INSERT INTO users (id) SELECT gen_random_uuid() FROM generate_series(1, 120) RETURNING id)"
        " INSERT INTO lobby_players (lobby_id, user_id) SELECT $1, id FROM added",
        lobby["id"],
    )
    seen = await host.look_at(lobby)
    assert (seen["player_count"], len(seen["players"])) == (121, 100)
    listed = (await host.get(f"/v1/lobbies/{lobby['id']}/players", limit=100)).json()
    assert listed["items"] == seen["players"]
    assert listed["next_cursor"] is not None
