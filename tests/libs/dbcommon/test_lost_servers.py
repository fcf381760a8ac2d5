"""Back ends that are killed, and servers that die, restart or fall silent."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from dbcommon.engine import MAINTENANCE_SECONDS, SUSPECT_SECONDS, Database
from dbcommon.errors import DatabaseUnavailable, PoolExhausted
from dbcommon.pool import CLOSE_SECONDS
from dbcommon.probe import LONGEST_WAIT_SECONDS
from dbcommon.settings import DatabaseSettings, PoolSettings
from tests.libs.dbcommon.pools import (
    PATIENCE_SECONDS,
    CountingProxy,
    backend_count,
    equals,
    holds,
    open_database,
    read,
    read_on_driver,
    until,
)
from tests.servers import PATIENT, TestServer


async def test_killed_back_ends_are_replaced_and_no_idle_one_reaches_a_request(
    bare_server: TestServer,
) -> None:
    async with open_database(bare_server, "pool-killed") as database:
        connection = await bare_server.connect("auth_db")
        kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'pool-killed'"
        for _ in range(5):
            await asyncio.gather(*(read(database, milliseconds=5) for _ in range(10)))
            assert await connection.fetchval(kill) >= 2
            await until(lambda: holds(database.pool.checkedin() <= 2))
            await until(lambda: equals(backend_count(bare_server, "pool-killed"), 2))
            assert await asyncio.gather(*(read(database) for _ in range(10))) == [1] * 10
        await connection.close()


async def test_request_whose_back_end_is_killed_gets_database_unavailable(bare_server: TestServer) -> None:
    async with open_database(bare_server, "pool-victim") as database:
        request = asyncio.create_task(read(database, milliseconds=5000))
        await until(lambda: holds(database.pool_status().in_use == 1))
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
        await until(lambda: holds(told() == ["the database is unreachable"]))
        requests = [asyncio.create_task(try_on()) for _ in range(4)]
        await until(lambda: holds(server.refused > 100))
        assert told() == ["the database is unreachable"]
        server.has_started = True
        await asyncio.gather(*requests)
        await until(lambda: holds(told() == ["the database is unreachable", "the database is back"]))


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
            await until(lambda: equals(backend_count(own_server, "pool-restart"), 2))
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
        """The maintenance task, which frees the requests that wait on a silent server, does not wait on it either."""
        pool = PoolSettings(min=2, max=10, idle_seconds=0.5)
        async with (
            silence(own_server) as fall_silent,
            open_database(own_server, "pool-surplus", pool=pool) as database,
        ):
            await asyncio.gather(*(read(database) for _ in range(10)))
            await fall_silent()
            await until(lambda: holds(database.pool_status().size <= 2))
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
    """A context that stops the server's processes (SIGSTOP), and continues them after the block."""
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
