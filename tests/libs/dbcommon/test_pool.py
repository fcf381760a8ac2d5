"""The pool's four numbers under load, and cancellation."""

import asyncio
import contextlib
import time

import pytest
from sqlalchemy import text

from dbcommon.engine import Database
from dbcommon.errors import DatabaseBusy
from dbcommon.settings import PoolSettings
from tests.libs.dbcommon.pools import (
    backend_count,
    equals,
    exhausted,
    holds,
    open_database,
    read,
    until,
    watching,
)
from tests.servers import PATIENT, TestServer


async def test_minimum_is_open_once_the_service_runs(bare_server: TestServer) -> None:
    async with open_database(bare_server, "pool-min") as database:
        await until(lambda: equals(backend_count(bare_server, "pool-min"), 2))
        assert database.pool_status().size == 2
    assert await backend_count(bare_server, "pool-min") == 0


@pytest.mark.long
async def test_three_hundred_requests_never_open_an_eleventh_connection_nor_churn(
    bare_server: TestServer,
) -> None:
    async with (
        open_database(bare_server, "pool-max", pool=PATIENT) as database,
        watching(bare_server, "pool-max") as watcher,
    ):

        async def client() -> None:
            for _ in range(20):
                assert await read(database, milliseconds=1) == 1

        async with asyncio.TaskGroup() as group:
            for _ in range(300):
                group.create_task(client())
        assert watcher.most == 10
        # The pool may have dropped to its minimum and grown again at most once while this ran.
        assert len(watcher.pids) <= 12


async def test_bursts_reuse_the_connections_of_the_burst_before(bare_server: TestServer) -> None:
    async with (
        open_database(bare_server, "pool-bursts") as database,
        watching(bare_server, "pool-bursts") as watcher,
    ):
        for _ in range(30):
            await asyncio.gather(*(read(database, milliseconds=2) for _ in range(10)))
        assert len(watcher.pids) == 10


async def test_surplus_connections_close_after_the_idle_time_and_not_before(bare_server: TestServer) -> None:
    numbers = PoolSettings(idle_seconds=2)
    async with open_database(bare_server, "pool-idle", pool=numbers) as database:
        await asyncio.gather(*(read(database, milliseconds=20) for _ in range(10)))
        busy_until = time.monotonic()
        assert await backend_count(bare_server, "pool-idle") == 10
        await until(lambda: equals(backend_count(bare_server, "pool-idle"), 2))
        assert time.monotonic() - busy_until >= 1.9
        assert database.pool_status().size == 2


async def test_wait_for_a_connection_ends_after_two_seconds(bare_server: TestServer) -> None:
    numbers = PoolSettings(min=1, max=1)
    async with open_database(bare_server, "pool-wait", pool=numbers) as database:
        async with exhausted(database):
            await read(database)
        assert await read(database) == 1


async def test_waiters_are_served_in_order(bare_server: TestServer) -> None:
    numbers = PoolSettings(min=1, max=2, wait_seconds=10)
    served: list[int] = []
    async with open_database(bare_server, "pool-order", pool=numbers) as database:

        async def client(number: int) -> None:
            async with database.transaction() as db:
                await db.connection()
                served.append(number)
                await db.execute(text("SELECT pg_sleep(0.005)"))

        tasks = []
        for number in range(60):
            tasks.append(asyncio.create_task(client(number)))
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
    # The first two open their connections themselves, which may take longer for the one than for the other.
    assert all(abs(number - place) <= 2 for place, number in enumerate(served))


async def test_cancelled_requests_leak_nothing_and_poison_nothing(bare_server: TestServer) -> None:
    async with open_database(bare_server, "pool-cancel") as database:

        async def write() -> int:
            async with database.transaction() as db:
                await db.execute(text("SELECT pg_sleep(0.05)"))
            return 1

        requests = [read(database, milliseconds=50) if number % 2 else write() for number in range(200)]
        tasks = [asyncio.create_task(request) for request in requests]
        for number in range(0, 200, 2):
            await asyncio.sleep(0.001)
            tasks[number].cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: holds(database.pool_status().in_use == 0))
        status = database.pool_status()
        assert (status.in_use, status.waiting) == (0, 0)
        assert status.size <= 10
        # Every connection that is left answers, and none is inside a transaction of a request that is gone.
        rows = await asyncio.gather(*(read(database, milliseconds=20) for _ in range(10)))
        assert rows == [1] * 10
        connection = await bare_server.connect("auth_db")
        stuck = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pool-cancel' AND state LIKE 'idle in tr%'"
        assert await connection.fetchval(stuck) == 0
        await connection.close()


async def test_failed_transaction_is_rolled_back_and_its_connection_is_good(bare_server: TestServer) -> None:
    async with open_database(bare_server, "pool-rollback", pool=PoolSettings(min=1, max=1)) as database:
        with pytest.raises(ZeroDivisionError):
            await _fail_within_a_transaction(database)
        async with database.transaction() as db:
            assert (await db.execute(text("SELECT 1"))).scalar_one() == 1


async def _fail_within_a_transaction(database: Database) -> None:
    async with database.transaction() as db:
        await db.execute(text("SELECT set_config('work_mem', '64kB', true)"))
        raise ZeroDivisionError


async def test_transactions_that_follow_each_other_wait_without_a_connection(bare_server: TestServer) -> None:
    began: list[int] = []
    async with open_database(bare_server, "pool-turns", pool=PoolSettings(min=1, max=2)) as database:

        async def work(number: int) -> None:
            async with database.transaction(one_at_a_time="row") as db:
                began.append(number)
                await db.execute(text("SELECT 1"))
                assert database.pool_status().in_use == 1
                if number == 2:
                    raise ZeroDivisionError

        async with database.transaction(one_at_a_time="row"):
            tasks = [asyncio.create_task(work(number)) for number in range(20)]
            async with database.transaction(one_at_a_time="another row") as db:
                await db.execute(text("SELECT 1"))
            assert database.pool_status().waiting == 0
            tasks[1].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert began == [0, *range(2, 20)]
    assert [type(each) for each in results[1:3]] == [asyncio.CancelledError, ZeroDivisionError]
    assert [each for each in results if each is not None] == results[1:3]


async def test_transaction_whose_turn_does_not_come_gives_up(bare_server: TestServer) -> None:
    pool = PoolSettings(min=1, max=2, wait_seconds=0.2)
    async with (
        open_database(bare_server, "pool-turn", pool=pool) as database,
        contextlib.AsyncExitStack() as stack,
    ):
        await stack.enter_async_context(database.transaction(one_at_a_time="row"))
        with pytest.raises(DatabaseBusy):
            await stack.enter_async_context(database.transaction(one_at_a_time="row"))
