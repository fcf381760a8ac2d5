"""The pool's four numbers under load, cancellation, and servers that die, restart or fall silent."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Double, bindparam, func, select, text

from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import MAINTENANCE_SECONDS, SUSPECT_SECONDS, Database
from dbcommon.errors import DatabaseUnavailable, PoolExhausted
from dbcommon.pool import CLOSE_SECONDS
from dbcommon.probe import LONGEST_WAIT_SECONDS
from dbcommon.settings import DatabaseSettings, PoolSettings
from tests.servers import PATIENT, TestServer

COUNT = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"


@contextlib.asynccontextmanager
async def open_database(
    server: TestServer, name: str, *, pool: PoolSettings | None = None
) -> AsyncIterator[Database]:
    settings = DatabaseSettings(url=server.url("auth"), pool=pool or PATIENT)
    database = Database(settings, application_name=name)
    async with database.running():
        yield database


PATIENCE_SECONDS = 30
"""After so long a test says that something hangs; how fast things are, no test asks."""


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask until the answer is yes."""
    started = time.monotonic()
    while not await condition():
        assert time.monotonic() - started < PATIENCE_SECONDS, "it did not come to that"
        await asyncio.sleep(0.02)


class Watcher:
    """Counts a pool's connections at the server, again and again."""

    def __init__(self, connection: "asyncpg.Connection[Any]", name: str) -> None:
        self._connection = connection
        self._name = name
        self.most = 0
        self.pids: set[int] = set()

    async def watch(self) -> None:
        statement = "SELECT array_agg(pid) FROM pg_stat_activity WHERE application_name = $1"
        while True:
            pids = await self._connection.fetchval(statement, self._name) or []
            self.most = max(self.most, len(pids))
            self.pids |= set(pids)
            await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def watching(server: TestServer, name: str) -> AsyncIterator[Watcher]:
    connection = await server.connect("auth_db")
    watcher = Watcher(connection, name)
    task = asyncio.create_task(watcher.watch())
    try:
        yield watcher
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await connection.close()


async def read(database: Database, *, milliseconds: float = 0) -> int:
    row = await database.fetch_one(text("SELECT 1, pg_sleep(:seconds)"), {"seconds": milliseconds / 1000})
    assert row is not None
    return int(row[0])


async def backend_count(server: TestServer, name: str) -> int:
    connection = await server.connect("auth_db")
    try:
        return int(await connection.fetchval(COUNT, name))
    finally:
        await connection.close()


async def test_minimum_is_open_once_the_service_runs(bare_server: TestServer) -> None:
    async with open_database(bare_server, "pool-min") as database:
        await until(lambda: _is(backend_count(bare_server, "pool-min"), 2))
        assert database.pool_status().size == 2
    assert await backend_count(bare_server, "pool-min") == 0


async def _is(count: Awaitable[int], expected: int) -> bool:
    return await count == expected


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
        await until(lambda: _is(backend_count(bare_server, "pool-idle"), 2))
        assert time.monotonic() - busy_until >= 1.9
        assert database.pool_status().size == 2


async def test_wait_for_a_connection_ends_after_two_seconds(bare_server: TestServer) -> None:
    numbers = PoolSettings(min=1, max=1)
    async with open_database(bare_server, "pool-wait", pool=numbers) as database:
        async with exhausted(database):
            await read(database)
        assert await read(database) == 1


@contextlib.asynccontextmanager
async def exhausted(database: Database) -> AsyncIterator[None]:
    """The block has to find the only connection taken, and to wait two seconds for it."""
    async with database.engine.connect():
        started = time.monotonic()
        with pytest.raises(PoolExhausted):
            async with asyncio.timeout(PATIENCE_SECONDS):
                yield
        assert time.monotonic() - started > 1.9


async def _true(value: bool) -> bool:
    return value


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
        await until(lambda: _true(database.pool_status().in_use == 0))
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


async def test_killed_back_ends_are_replaced_and_no_idle_one_reaches_a_request(
    bare_server: TestServer,
) -> None:
    async with open_database(bare_server, "pool-killed") as database:
        connection = await bare_server.connect("auth_db")
        kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'pool-killed'"
        for _ in range(5):
            await asyncio.gather(*(read(database, milliseconds=5) for _ in range(10)))
            assert await connection.fetchval(kill) >= 2
            await until(lambda: _true(database.pool.checkedin() <= 2))
            await until(lambda: _is(backend_count(bare_server, "pool-killed"), 2))
            assert await asyncio.gather(*(read(database) for _ in range(10))) == [1] * 10
        await connection.close()


async def test_request_whose_back_end_is_killed_gets_database_unavailable(bare_server: TestServer) -> None:
    async with open_database(bare_server, "pool-victim") as database:
        request = asyncio.create_task(read(database, milliseconds=5000))
        await until(lambda: _true(database.pool_status().in_use == 1))
        connection = await bare_server.connect("auth_db")
        kill = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'pool-victim' AND query LIKE '%pg_sleep%'"
        )
        await until(lambda: connection.fetchval(kill))
        await connection.close()
        with pytest.raises(DatabaseUnavailable):
            await request
        assert await read(database) == 1


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


class CountingProxy:
    """Stands between pool and server, and counts how often the pool spoke: one burst of bytes is one round trip."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.spoken = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        back = asyncio.create_task(self._pipe(server_reader, writer))
        while data := await reader.read(65536):
            self.spoken += 1
            server_writer.write(data)
        server_writer.close()
        await back

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()


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
        await _write(database)
        before = proxy.spoken
        await _write(database)
        assert proxy.spoken - before == 3


SSL_REQUEST = (80877103).to_bytes(4, "big")
"""What a client begins with that would like TLS (PostgreSQL's documentation, Message Formats)."""


class StartingServer:
    """Says what a server says while it recovers, after a moment, until it is told to let everything through."""

    def __init__(self, port: int) -> None:
        self._proxy = CountingProxy(port)
        self.refused = 0
        self.has_started = False

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.has_started:
            await self._proxy.handle(reader, writer)
            return
        if (await reader.readexactly(8))[4:] == SSL_REQUEST:
            writer.write(b"N")
        await reader.read(65536)
        await asyncio.sleep(0.05)  # so that a request's try lasts until the maintenance task looks
        fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
        writer.write(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
        writer.close()
        self.refused += 1


async def test_a_server_counts_as_back_once_a_connection_succeeds(
    bare_server: TestServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dbcommon.engine")
    server = StartingServer(bare_server.cluster.port)
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    url = replace(bare_server.url("auth"), hosts=(("127.0.0.1", listener.sockets[0].getsockname()[1]),))
    database = Database(DatabaseSettings(url=url, pool=PATIENT), application_name="pool-starting")

    async def try_on() -> None:
        while not server.has_started:
            with contextlib.suppress(DatabaseUnavailable):
                await read(database)

    def told() -> list[str]:
        # asyncio's log may have a line of asyncpg's: a connection that is refused at its start leaves a future behind.
        told = [record for record in caplog.records if record.name == "dbcommon.engine"]
        return [record.message.partition(":")[0] for record in told]

    async with listener, database.running():
        await until(lambda: _true(told() == ["the database is unreachable"]))
        requests = [asyncio.create_task(try_on()) for _ in range(4)]
        await until(lambda: _true(server.refused > 100))
        assert told() == ["the database is unreachable"]
        server.has_started = True
        await asyncio.gather(*requests)
        await until(lambda: _true(told() == ["the database is unreachable", "the database is back"]))


PREPARED = DriverStatement(
    select(func.pg_sleep(bindparam("seconds", type_=Double())).is_(None).label("slept"))
)


async def read_on_driver(database: Database, *, milliseconds: float = 0) -> bool:
    record = await database.fetch_record(PREPARED, seconds=milliseconds / 1000)
    assert record is not None
    return bool(record["slept"])


async def test_driver_statements_share_the_pool_and_its_limits(bare_server: TestServer) -> None:
    async with (
        open_database(bare_server, "pool-prepared") as database,
        watching(bare_server, "pool-prepared") as watcher,
    ):
        mixed = [read_on_driver(database, milliseconds=2) for _ in range(300)]
        mixed += [_is(read(database, milliseconds=2), 1) for _ in range(300)]
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
        await until(lambda: _true(database.pool_status().in_use == 1))
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
        await until(lambda: _true(database.pool.checkedin() <= 2))
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


def test_a_silent_server_is_noticed_within_three_seconds() -> None:
    """A request's statement, then the maintenance task's next look, after it closed what is surplus, then the probe's question."""
    assert SUSPECT_SECONDS + MAINTENANCE_SECONDS + CLOSE_SECONDS + LONGEST_WAIT_SECONDS < 3
    assert LONGEST_WAIT_SECONDS < 1.5


@pytest.mark.long
class TestServerThatGoesAway:
    """These stop a server of their own."""

    __test__ = True

    async def test_restart_is_survived_without_a_restart_of_the_service(self, own_server: TestServer) -> None:
        async with open_database(own_server, "pool-restart") as database:
            await asyncio.gather(*(read(database) for _ in range(10)))
            own_server.cluster.stop("immediate")
            with pytest.raises(DatabaseUnavailable):
                await asyncio.wait_for(read(database), timeout=PATIENCE_SECONDS)
            own_server.cluster.start()

            async def answers() -> bool:
                with contextlib.suppress(DatabaseUnavailable):
                    return await read(database) == 1
                return False

            await until(answers)
            await until(lambda: _is(backend_count(own_server, "pool-restart"), 2))
            assert await asyncio.gather(*(read(database) for _ in range(50))) == [1] * 50

    async def test_silent_server_keeps_no_request_waiting(self, own_server: TestServer) -> None:
        async with open_database(own_server, "pool-silent", pool=PoolSettings()) as database:
            await asyncio.gather(*(read(database) for _ in range(10)))
            back_ends = await _back_ends(own_server)
            for pid in back_ends:
                os.kill(pid, signal.SIGSTOP)
            try:
                requests = [read(database) for _ in range(15)] + [read_on_driver(database) for _ in range(15)]
                async with asyncio.timeout(PATIENCE_SECONDS):
                    results = await asyncio.gather(*requests, return_exceptions=True)
                    answer = await database.probe.ask()
                assert all(isinstance(result, DatabaseUnavailable | PoolExhausted) for result in results)
                assert not answer.answers
            finally:
                for pid in back_ends:
                    os.kill(pid, signal.SIGCONT)

            async def answers() -> bool:
                with contextlib.suppress(DatabaseUnavailable, PoolExhausted):
                    return await read(database) == 1
                return False

            await until(answers)

    async def test_silent_server_keeps_no_service_from_closing(self, own_server: TestServer) -> None:
        async with (
            silence(own_server) as fall_silent,
            asyncio.timeout(PATIENCE_SECONDS),
            open_database(own_server, "pool-closing") as database,
        ):
            await asyncio.gather(*(read(database) for _ in range(10)))
            await fall_silent()

    async def test_silent_server_keeps_no_surplus_connection_open(self, own_server: TestServer) -> None:
        """Nor the maintenance task, who frees the requests that wait on such a server."""
        pool = PoolSettings(min=2, max=10, idle_seconds=0.5)
        async with (
            silence(own_server) as fall_silent,
            open_database(own_server, "pool-surplus", pool=pool) as database,
        ):
            await asyncio.gather(*(read(database) for _ in range(10)))
            await fall_silent()
            await until(lambda: _true(database.pool_status().size <= 2))
            async with asyncio.timeout(PATIENCE_SECONDS):
                with pytest.raises(DatabaseUnavailable):
                    await read(database)

    async def test_long_statement_of_a_healthy_server_is_not_broken(self, own_server: TestServer) -> None:
        async with open_database(own_server, "pool-long") as database:
            assert await read(database, milliseconds=4000) == 1

    async def test_a_starved_process_does_not_count_the_server_as_silent(
        self, own_server: TestServer
    ) -> None:
        async with open_database(own_server, "pool-starved") as database:
            await asyncio.gather(*(read(database) for _ in range(5)))
            statements = [asyncio.create_task(read(database, milliseconds=3500)) for _ in range(5)]
            await asyncio.sleep(0.1)
            while not all(statement.done() for statement in statements):
                time.sleep(0.3)  # noqa: ASYNC251 - the loop is kept from listening
                await asyncio.sleep(0)
            assert [await statement for statement in statements] == [1] * 5


@contextlib.asynccontextmanager
async def silence(server: TestServer) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """What makes the server and its back ends fall silent; they go on after the block."""
    silenced: list[int] = []

    async def fall_silent() -> None:
        silenced.extend(await _back_ends(server))
        for pid in silenced:
            os.kill(pid, signal.SIGSTOP)

    try:
        yield fall_silent
    finally:
        for pid in silenced:
            os.kill(pid, signal.SIGCONT)


async def _back_ends(server: TestServer) -> list[int]:
    connection = await server.connect()
    try:
        postmaster = server.cluster.pid
        assert postmaster is not None
        pids = await connection.fetch("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        return [postmaster, *(row["pid"] for row in pids)]
    finally:
        await connection.close()
