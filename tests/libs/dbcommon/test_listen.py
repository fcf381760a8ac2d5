"""LISTEN and NOTIFY: notifications arrive after broken connections and server restarts too."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from dbcommon.engine import Database
from dbcommon.listen import PAYLOAD_LIMIT, notify
from dbcommon.settings import DatabaseSettings, PoolSettings
from tests.servers import TestServer

PATIENT_SECONDS = 60

CONNECTIONS = "SELECT pid FROM pg_stat_activity WHERE application_name = $1"

KILL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1"


class Inbox:
    """What a subscriber was told, in order."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[str | None] = asyncio.Queue()

    async def next(self) -> str | None:
        async with asyncio.timeout(PATIENT_SECONDS):
            return await self.told.get()


@contextlib.asynccontextmanager
async def open_database(server: TestServer, name: str) -> AsyncIterator[Database]:
    settings = DatabaseSettings(url=server.url("auth"), pool=PoolSettings(min=0))
    database = Database(settings, application_name=name)
    async with database.running():
        yield database


@contextlib.contextmanager
def subscribed(database: Database, channel: str) -> Iterator[Inbox]:
    inbox = Inbox()
    with database.listener.subscribed(channel, inbox.told.put_nowait):
        yield inbox


async def send(database: Database, channel: str, payload: str) -> None:
    async with database.transaction() as db:
        await notify(db, channel, payload)


async def ask(server: TestServer, statement: str, *arguments: Any) -> list[Any]:
    connection = await server.connect()
    try:
        return [row[0] for row in await connection.fetch(statement, *arguments)]
    finally:
        await connection.close()


async def test_there_is_no_connection_without_a_subscriber(bare_server: TestServer) -> None:
    async with open_database(bare_server, "lazy") as database:
        await database.fetch_one(text("SELECT 1"))
        assert await ask(bare_server, CONNECTIONS, "lazy-listener") == []
        with subscribed(database, "a") as first, subscribed(database, "b") as second:
            assert [await first.next(), await second.next()] == [None, None]
            assert len(await ask(bare_server, CONNECTIONS, "lazy-listener")) == 1
        started = time.monotonic()
        while await ask(bare_server, CONNECTIONS, "lazy-listener"):
            assert time.monotonic() - started < PATIENT_SECONDS, "the connection stays open"
            await asyncio.sleep(0.02)
        with subscribed(database, "a") as again:
            assert await again.next() is None
            await send(database, "a", "there again")
            assert await again.next() == "there again"


async def test_eight_listeners_all_get_it_and_other_channels_do_not(bare_server: TestServer) -> None:
    async with contextlib.AsyncExitStack() as stack:
        databases = [
            await stack.enter_async_context(open_database(bare_server, f"eight-{number}"))
            for number in range(8)
        ]
        inboxes = [stack.enter_context(subscribed(database, "news")) for database in databases]
        other = stack.enter_context(subscribed(databases[0], 'Other "channel"'))
        assert {await inbox.next() for inbox in (*inboxes, other)} == {None}
        for number in range(20):
            await send(databases[number % 8], "news", f"number {number}")
        await send(databases[0], 'Other "channel"', "é" * 100)
        for inbox in inboxes:
            assert [await inbox.next() for _ in range(20)] == [f"number {number}" for number in range(20)]
        assert await other.next() == "é" * 100
        assert other.told.empty()


async def test_a_rollback_notifies_nobody(bare_server: TestServer) -> None:
    async with open_database(bare_server, "rolled-back") as database:
        with subscribed(database, "rolled-back") as inbox:
            assert await inbox.next() is None
            async with database.transaction() as db:
                await notify(db, "rolled-back", "never")
                await db.rollback()
            await send(database, "rolled-back", "committed")
            assert await inbox.next() == "committed"


async def test_a_later_subscriber_is_told_to_read_too(bare_server: TestServer) -> None:
    async with open_database(bare_server, "later") as database:
        with subscribed(database, "later") as first:
            assert await first.next() is None
            with subscribed(database, "later") as second:
                assert await second.next() is None
                await send(database, "later", "both")
                assert [await first.next(), await second.next()] == ["both", "both"]
            await send(database, "later", "one")
            assert await first.next() == "one"
            assert second.told.empty()


async def test_a_subscriber_that_fails_costs_the_others_nothing(
    bare_server: TestServer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_payload: str | None) -> None:
        raise ValueError("a mistake of the subscriber")

    async with open_database(bare_server, "failing") as database:
        with database.listener.subscribed("failing", fail), subscribed(database, "failing") as inbox:
            assert await inbox.next() is None
            await send(database, "failing", "x")
            assert await inbox.next() == "x"
    assert "a subscriber of failing failed" in caplog.text


async def test_a_killed_connection_is_replaced_and_all_are_told_to_read(bare_server: TestServer) -> None:
    async with open_database(bare_server, "killed") as database:
        with subscribed(database, "a") as first, subscribed(database, "b") as second:
            assert [await first.next(), await second.next()] == [None, None]
            for number in range(3):
                assert await ask(bare_server, KILL, "killed-listener") == [True]
                assert [await first.next(), await second.next()] == [None, None]
                await send(database, "a", f"after {number}")
                assert await first.next() == f"after {number}"
            assert len(await ask(bare_server, CONNECTIONS, "killed-listener")) == 1


async def test_a_restart_of_the_server_is_survived(own_server: TestServer) -> None:
    async with open_database(own_server, "restarted") as database:
        with subscribed(database, "restarted") as inbox:
            assert await inbox.next() is None
            await asyncio.to_thread(own_server.cluster.stop, "immediate")
            await asyncio.to_thread(own_server.cluster.start)
            assert await inbox.next() is None
            await send(database, "restarted", "after")
            assert await inbox.next() == "after"


async def test_a_payload_is_refused_before_the_server_would(bare_server: TestServer) -> None:
    async with open_database(bare_server, "payloads") as database:
        with subscribed(database, "payloads") as inbox:
            assert await inbox.next() is None
            await send(database, "payloads", "x" * PAYLOAD_LIMIT)
            assert await inbox.next() == "x" * PAYLOAD_LIMIT
            with pytest.raises(ValueError, match="8000 bytes"):
                await send(database, "payloads", "é" * 4000)


@pytest.mark.parametrize("channel", ["", "c" * 64])
async def test_a_channel_without_a_name_that_holds_is_refused(bare_server: TestServer, channel: str) -> None:
    async with open_database(bare_server, "channels") as database:
        with pytest.raises(ValueError, match="channel"), subscribed(database, channel):
            pass
        with pytest.raises(ValueError, match="channel"):
            await send(database, channel, "x")
        with subscribed(database, "c" * 63) as inbox:
            assert await inbox.next() is None
            await send(database, "c" * 63, "x")
            assert await inbox.next() == "x"
