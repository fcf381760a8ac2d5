"""What the upkeep of lobbies counts, and what it deletes."""

from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest

from dbcommon.engine import Database
from l2p.driver.phases import Phases
from l2p.log.log import LobbyLog
from l2p.upkeep.repository import find_lobbies_in_need
from l2p.upkeep.upkeep import Upkeep
from tests.libs.dbcommon.pools import until
from tests.services.l2p.players import Crowd
from webcommon.app.service import Service

Connection = asyncpg.Connection

AN_HOUR_AGO = """
    UPDATE lobby_presence SET seen_until = seen_until - interval '1 hour', left_at = left_at - interval '1 hour'
    WHERE lobby_id = $1
"""


@pytest.mark.long
async def test_only_time_in_which_a_process_ran_is_an_absence(crowd: Crowd, sql: "Connection[Any]") -> None:
    host, guest = crowd.players(2)
    lobby = await host.create()
    await guest.join(lobby)
    seen = "SELECT count(*) = 2 FROM lobby_presence WHERE lobby_id = $1 AND is_connected"
    await until(partial(sql.fetchval, seen, lobby["id"]))
    async with sql.transaction():
        await sql.execute("UPDATE upkeep SET done_at = done_at - interval '1 hour'")
        await sql.execute(AN_HOUR_AGO, lobby["id"])
    await until(partial(sql.fetchval, "SELECT done_at > clock_timestamp() - interval '5 s' FROM upkeep"))
    state = "SELECT (status, host_id) = ('waiting', $2) FROM lobbies WHERE id = $1"
    assert await sql.fetchval(state, lobby["id"], host.id)
    await sql.execute(AN_HOUR_AGO, lobby["id"])
    await until(partial(sql.fetchval, "SELECT status = 'closed' FROM lobbies WHERE id = $1", lobby["id"]))


async def test_a_lobby_in_which_nobody_ever_was_needs_nothing_until_it_is_idle(
    app: Service, sql: "Connection[Any]"
) -> None:
    lobby_id = await sql.fetchval(
        "INSERT INTO lobbies (name, created_at) VALUES ('Empty', now() - interval '1 minute') RETURNING id"
    )
    database = app.component(Database)
    assert lobby_id not in await find_lobbies_in_need(database, idle_seconds=3_600)
    assert lobby_id in await find_lobbies_in_need(database, idle_seconds=30)


async def test_logs_stay_for_a_while_after_their_lobbies_were_closed(
    crowd: Crowd, app: Service, sql: "Connection[Any]"
) -> None:
    host = crowd.player()
    is_open, just_closed, long_closed = [await host.create() for _ in range(3)]
    for lobby in (just_closed, long_closed):
        await host.leave(lobby)
    for lobby, days in ((just_closed, 6), (long_closed, 8)):
        aged = "UPDATE lobbies SET closed_at = closed_at - $2::interval WHERE id = $1"
        await sql.execute(aged, lobby["id"], timedelta(days=days))
    database = app.component(Database)
    log = LobbyLog(lambda _lobby, _seq: None)
    week = timedelta(days=7)
    await Upkeep(database, log, app.component(Phases), idle_seconds=1800, kept=week).clean()
    logged = "SELECT count(*) > 0 FROM lobby_events WHERE lobby_id = $1"
    kept = [await sql.fetchval(logged, lobby["id"]) for lobby in (is_open, just_closed, long_closed)]
    assert kept == [True, True, False]
    assert (await host.look_at(long_closed))["status"] == "closed"
