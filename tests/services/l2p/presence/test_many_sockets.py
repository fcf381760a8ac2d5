"""Which sockets of a user are the newest ones over all processes, as their rows say."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from dbcommon.engine import Database
from l2p.presence.presence import Presence
from l2p.presence.repository import Socket, connect, find_replaced, store_heartbeat
from tests.libs.dbcommon.pools import until
from tests.services.l2p.players import Crowd
from webcommon.app.service import Service

MOST = 5
START = datetime(2026, 1, 1, tzinfo=UTC)


class Processes:
    """Plays two processes that store the sockets of one user on one lobby."""

    def __init__(self, database: Database, lobby_id: UUID, user_id: UUID) -> None:
        self._database = database
        self._connection = lobby_id, user_id
        self.low, self.high = sorted([uuid4(), uuid4()])

    def sockets(self, *seconds: int) -> list[Socket]:
        """Sockets that were opened so many seconds after the start."""
        return [(*self._connection, START + timedelta(seconds=number)) for number in seconds]

    async def open(self, process_id: UUID, *seconds: int) -> bool:
        """Store all sockets that the process has; whether they are too many."""
        await store_heartbeat(self._database, process_id)
        return await connect(self._database, process_id, self.sockets(*seconds), most=MOST)

    async def find(self, process_id: UUID) -> list[Socket]:
        """Those that the process has to close."""
        await store_heartbeat(self._database, process_id)
        return sorted(await find_replaced(self._database, process_id, most=MOST))


@pytest.fixture
async def processes(crowd: Crowd, app: Service) -> Processes:
    host = crowd.player()
    lobby = await host.create()
    return Processes(app.component(Database), UUID(lobby["id"]), host.id)


async def test_each_process_finds_its_own_that_are_older_than_the_five_newest(processes: Processes) -> None:
    assert not await processes.open(processes.low, 1, 3, 5)
    assert not await processes.open(processes.high, 2, 4)
    assert (await processes.find(processes.low), await processes.find(processes.high)) == ([], [])
    assert await processes.open(processes.high, 2, 4, 6, 7)
    assert await processes.find(processes.low) == processes.sockets(1)
    assert await processes.find(processes.high) == processes.sockets(2)


async def test_of_sockets_with_the_same_time_only_as_many_are_closed_as_are_too_many(
    processes: Processes,
) -> None:
    await processes.open(processes.low, 1, 2, 3)
    await processes.open(processes.high, 1, 2, 3)
    assert await processes.find(processes.low) == processes.sockets(1)
    assert await processes.find(processes.high) == []


async def test_sockets_of_a_process_that_is_silent_do_not_count(
    processes: Processes, sql: "asyncpg.Connection[Any]"
) -> None:
    await processes.open(processes.low, 1, 2, 3)
    await processes.open(processes.high, 4, 5, 6)
    assert await processes.find(processes.low) == processes.sockets(1)
    silent = "UPDATE processes SET heartbeat_at = clock_timestamp() - interval '6 s' WHERE id = $1"
    await sql.execute(silent, processes.high)
    assert await processes.find(processes.low) == []
    assert not await processes.open(processes.low, 1, 2, 3, 7)


async def test_a_process_that_opens_one_too_many_closes_its_own_before_its_next_heartbeat(
    processes: Processes, app: Service, sql: "asyncpg.Connection[Any]"
) -> None:
    replaced: asyncio.Queue[Socket] = asyncio.Queue()
    presence = Presence(
        app.component(Database),
        process_id=processes.low,
        most=MOST,
        replace=lambda *socket: replaced.put_nowait(socket),
    )
    await processes.open(processes.high, 2, 3, 4, 5, 6)
    async with presence.running():
        lives = "SELECT EXISTS (SELECT FROM processes WHERE id = $1)"
        await until(partial(sql.fetchval, lives, processes.low))
        async with sql.transaction(), asyncio.timeout(10):
            # A heartbeat would wait for this lock.
            await sql.execute("SELECT FROM processes WHERE id = $1 FOR NO KEY UPDATE", processes.low)
            ((lobby_id, user_id, opened_at),) = processes.sockets(1)
            presence.connected(lobby_id, user_id, opened_at=opened_at)
            assert await replaced.get() == (lobby_id, user_id, opened_at)
