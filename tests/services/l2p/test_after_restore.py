"""After a restore a client with events of before gets the new state."""

from typing import Any

import asyncpg

from l2p.after_restore import after_restore
from tests.services.l2p.players import Crowd


async def test_logs_of_open_lobbies_are_new_streams(crowd: Crowd, sql: "asyncpg.Connection[Any]") -> None:
    host = crowd.player()
    lobby, closed = await host.create(), await host.create()
    await host.leave(closed)
    before = await read_streams(sql)
    done = await after_restore(sql, None)
    after = await read_streams(sql)
    assert "connections forgotten" in done
    assert after[lobby["id"]] != before[lobby["id"]]
    assert after[closed["id"]] == before[closed["id"]]
    assert await sql.fetchval("SELECT count(*) FROM lobby_connections") == 0


async def read_streams(sql: "asyncpg.Connection[Any]") -> dict[str, Any]:
    return {str(row["id"]): row["stream"] for row in await sql.fetch("SELECT id, stream FROM lobbies")}
