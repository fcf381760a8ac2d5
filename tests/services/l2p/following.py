"""Games followed without sockets: their state by polling, and the events of their lobby's log."""

import asyncio
import json
from typing import Any

import asyncpg

from tests.services.l2p.players import Player

PATIENCE_SECONDS = 20.0
PAUSE_SECONDS = 0.02


async def wait_for_phase(player: Player, game: dict[str, Any], *phases: str) -> dict[str, Any]:
    """The state of the game once it is in one of these phases."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            response = await player.get(f"/v1/games/{game['id']}")
            assert response.status_code == 200, response.text
            state: dict[str, Any] = response.json()
            if state["status"] in phases:
                return state
            await asyncio.sleep(PAUSE_SECONDS)


async def command(player: Player, game: dict[str, Any], name: str) -> tuple[int, str]:
    """Send a command of the host; gives the response's status, and the phase afterwards or the problem's type."""
    response = await player.post(f"/v1/games/{game['id']}/{name}")
    body = response.json()
    return response.status_code, body["status"] if response.status_code == 200 else body["type"]


async def read_log(sql: "asyncpg.Connection[Any]", lobby: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Type and data of each event of the lobby, but for those of connections, which come by themselves."""
    rows = await sql.fetch(
        "SELECT type, data FROM lobby_events WHERE lobby_id = $1 AND type NOT LIKE 'player.%connected' ORDER BY seq",
        lobby["id"],
    )
    return [(row["type"], json.loads(row["data"])) for row in rows]


async def count_events(sql: "asyncpg.Connection[Any]", lobby: dict[str, Any], kind: str) -> int:
    """How many events of this type the lobby has."""
    return sum(type_ == kind for type_, _ in await read_log(sql, lobby))


async def has_event(sql: "asyncpg.Connection[Any]", lobby: dict[str, Any], kind: str) -> bool:
    """Whether the lobby has an event of this type."""
    return await count_events(sql, lobby, kind) > 0
