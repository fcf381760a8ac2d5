"""Driver statements: they share the pool and its limits, recover as it does, and cost one round trip."""

import asyncio
from dataclasses import replace

from sqlalchemy import Text, literal_column, select, text

from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from dbcommon.errors import DatabaseUnavailable
from dbcommon.settings import DatabaseSettings, PoolSettings
from tests.libs.dbcommon.pools import (
    CountingProxy,
    equals,
    exhausted,
    holds,
    open_database,
    read,
    read_on_driver,
    until,
    watching,
)
from tests.servers import TestServer

LONG = DriverStatement(select(literal_column(f"'{'x' * 40_000}'", Text()).label("text")))
"""A list whose JSON has many fields is as long as this soon."""


async def test_read_costs_one_round_trip_and_a_transaction_three(bare_server: TestServer) -> None:
    proxy = CountingProxy(bare_server.cluster.port)
    listener = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    url = replace(bare_server.url("auth"), hosts=(("127.0.0.1", listener.sockets[0].getsockname()[1]),))
    # A maintenance task that looks at the pool sends nothing, but one that opens a second connection would.
    settings = DatabaseSettings(url=url, pool=PoolSettings(min=1, max=1))
    database = Database(settings, application_name="pool-lean")
    async with listener, database.running():
        await read(database)
        before = proxy.spoken
        for _ in range(10):
            await read(database)
        assert proxy.spoken - before == 10
        await read_on_driver(database)
        before = proxy.spoken
        await read_on_driver(database)
        assert proxy.spoken - before == 1
        await database.fetch_record(LONG)
        before = proxy.spoken
        await database.fetch_record(LONG)
        assert proxy.spoken - before == 1
        await _write(database)
        before = proxy.spoken
        await _write(database)
        assert proxy.spoken - before == 3


async def test_driver_statements_share_the_pool_and_its_limits(bare_server: TestServer) -> None:
    async with (
        open_database(bare_server, "pool-prepared") as database,
        watching(bare_server, "pool-prepared") as watcher,
    ):
        mixed = [read_on_driver(database, milliseconds=2) for _ in range(300)]
        mixed += [equals(read(database, milliseconds=2), 1) for _ in range(300)]
        await asyncio.gather(*mixed)
        assert watcher.most == 10
        assert len(watcher.pids) == 10
        assert database.pool_status().in_use == 0


async def test_a_cancelled_driver_statement_never_gives_its_answer_to_another(
    bare_server: TestServer,
) -> None:
    async with open_database(
        bare_server, "pool-prepared-cancel", pool=PoolSettings(min=1, max=1)
    ) as database:
        slow = asyncio.create_task(read_on_driver(database, milliseconds=300))
        await until(lambda: holds(database.pool_status().in_use == 1))
        await asyncio.sleep(0.02)
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        assert await read(database) == 1
        assert await read_on_driver(database) is False
        status = database.pool_status()
        assert (status.in_use, status.waiting) == (0, 0)


async def test_a_driver_statement_recovers_from_killed_back_ends(bare_server: TestServer) -> None:
    async with open_database(bare_server, "pool-prepared-killed") as database:
        await asyncio.gather(*(read_on_driver(database, milliseconds=5) for _ in range(10)))
        connection = await bare_server.connect("auth_db")
        kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pool-prepared-killed'"
        await connection.fetch(kill)
        await connection.close()
        await until(lambda: holds(database.pool.checkedin() <= 2))
        # Who meets one of the last two in the moment of its death is told so; whoever comes after is served.
        first = await asyncio.gather(*(read_on_driver(database) for _ in range(30)), return_exceptions=True)
        refused = [answer for answer in first if answer is not False]
        assert len(refused) <= 2
        assert all(isinstance(answer, DatabaseUnavailable) for answer in refused)
        assert await asyncio.gather(*(read_on_driver(database) for _ in range(30))) == [False] * 30


async def test_a_broken_connection_of_a_full_pool_is_opened_again_without_a_wait(
    bare_server: TestServer,
) -> None:
    waits: list[float] = []
    only_one = PoolSettings(min=1, max=1, wait_seconds=30)
    async with open_database(bare_server, "broken", pool=only_one) as database:
        await read_on_driver(database)  # it is open
        database.pool.queue.waited_seconds = waits.append
        entry = database.pool.take_ready()
        assert entry is not None
        database.pool.release(entry)
        entry.driver_connection.terminate()  # type: ignore[union-attr]
        await read_on_driver(database)
    assert waits == []


async def test_a_driver_statement_on_a_full_pool_fails_after_two_seconds(bare_server: TestServer) -> None:
    numbers = PoolSettings(min=1, max=1)
    async with (
        open_database(bare_server, "pool-prepared-wait", pool=numbers) as database,
        exhausted(database),
    ):
        await read_on_driver(database)


async def _write(database: Database) -> None:
    async with database.transaction() as db:
        await db.execute(text("SELECT 1"))
