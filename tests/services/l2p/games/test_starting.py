"""Starting a game: by the host, when all are ready, once."""

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import httpx

from tests.services.l2p.following import count_events
from tests.services.l2p.games.playing import QUESTIONS
from tests.services.l2p.players import Crowd, Player

STARTED = (201, "")


async def start(player: Player, lobby: dict[str, Any], **body: Any) -> tuple[int, str]:
    """The status of a start, and the type of its problem."""
    response = await player.post(f"/v1/lobbies/{lobby['id']}/games", {"questions": QUESTIONS} | body)
    return response.status_code, response.json().get("type", "")


async def set_ready(player: Player, lobby: dict[str, Any], *, is_ready: bool) -> None:
    response = await player.post(f"/v1/lobbies/{lobby['id']}/ready", {"is_ready": is_ready})
    assert response.status_code == 204


async def test_fifty_starts_at_once_start_one_game(
    crowd: Crowd, replica: httpx.AsyncClient, sql: "asyncpg.Connection[Any]"
) -> None:
    host = crowd.player()
    away = Player(client=replica, id=host.id, headers=host.headers)
    lobby = await host.create()
    results = await asyncio.gather(*(start((host, away)[turn % 2], lobby, force=True) for turn in range(50)))
    assert Counter(results) == {STARTED: 1, (409, "/problems/game-under-way"): 49}
    assert await sql.fetchval("SELECT count(*) FROM games WHERE lobby_id = $1", lobby["id"]) == 1
    assert await count_events(sql, lobby, "game.started") == 1


async def test_a_game_starts_when_all_are_ready_or_by_force(crowd: Crowd) -> None:
    host, guest = crowd.players(2)
    lobby = await host.create()
    await guest.join(lobby)
    await set_ready(host, lobby, is_ready=True)
    assert await start(host, lobby) == (409, "/problems/players-not-ready")
    await set_ready(guest, lobby, is_ready=True)
    await set_ready(guest, lobby, is_ready=False)
    assert await start(host, lobby) == (409, "/problems/players-not-ready")
    await set_ready(guest, lobby, is_ready=True)
    assert await start(host, lobby) == STARTED


async def test_only_the_host_starts_a_game_and_only_with_players(crowd: Crowd) -> None:
    host, guest, stranger = crowd.players(3)
    lobby = await host.create(settings={"host_plays": False})
    assert await start(host, lobby, force=True) == (409, "/problems/no-players")
    await guest.join(lobby)
    for player in (guest, stranger):
        assert await start(player, lobby, force=True) == (403, "/problems/not-the-host")
    assert await start(host, lobby, force=True) == STARTED
    hidden = await host.create(settings={"is_private": True})
    assert await start(stranger, hidden, force=True) == (404, "/problems/not-found")
