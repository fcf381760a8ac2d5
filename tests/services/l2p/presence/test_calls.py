"""Calls over HTTP count as connections for a while."""

from functools import partial
from typing import Any
from uuid import UUID

import asyncpg

from dbcommon.engine import Database
from l2p.presence.repository import touch
from tests.libs.dbcommon.pools import until
from tests.services.l2p.games.playing import start_game
from tests.services.l2p.players import Crowd
from webcommon.app.service import Service


async def test_calls_on_a_lobby_and_on_its_game_are_one_presence(
    crowd: Crowd, app: Service, sql: "asyncpg.Connection[Any]"
) -> None:
    host = crowd.player()
    lobby = await host.create()
    game = await start_game(host, lobby)
    calls = [(UUID(identifier), host.id) for identifier in (lobby["id"], game["id"])]
    await touch(app.component(Database), calls)
    seen = "SELECT user_id FROM lobby_presence WHERE lobby_id = $1 AND seen_until > clock_timestamp()"
    assert [row["user_id"] for row in await sql.fetch(seen, lobby["id"])] == [host.id]


async def test_creating_a_lobby_is_a_call_on_it(crowd: Crowd, sql: "asyncpg.Connection[Any]") -> None:
    host = crowd.player()
    lobby = await host.create()
    seen = "SELECT EXISTS (SELECT FROM lobby_presence WHERE lobby_id = $1 AND user_id = $2 AND seen_until IS NOT NULL)"
    await until(partial(sql.fetchval, seen, lobby["id"], host.id))
