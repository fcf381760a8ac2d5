"""After a restore Stripe's truth is applied again, and what was sent is not sent twice."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest_asyncio

from dbcommon.engine import Database
from dbcommon.settings import DatabaseSettings
from payment.after_restore import after_restore
from payment.reconciliation.service import FIRST_WINDOW, find_start
from tests.servers import TestServer
from tests.services.payment.shop import Sql
from tests.services.payment.webhook_endpoints.receiver import Hooks, receiving

SEEN = (
    "SELECT event_id, done_at IS NOT NULL AS sent, failed_at IS NOT NULL AS given_up FROM webhook_deliveries"
)


@pytest_asyncio.fixture
async def restored(
    hooks: Hooks, server: TestServer, database_settings: DatabaseSettings
) -> AsyncIterator[Sql]:
    """The database as it was then, in a transaction of an administrator that is rolled back: others see it as it is now."""
    url = server.url("payment", role="admin", database=database_settings.url.database)
    connection = await asyncpg.connect(**url.connect_arguments(application_name="tests"))
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


async def go_back(restored: Sql, *, made_since: str) -> None:
    """Nothing was sent yet, and the last event had not happened."""
    await restored.execute("SET LOCAL session_replication_role TO replica")
    await restored.execute("DELETE FROM webhook_deliveries WHERE event_id = $1", made_since)
    await restored.execute("DELETE FROM outgoing_events WHERE id = $1", made_since)
    await restored.execute("UPDATE webhook_deliveries SET done_at = NULL, attempts = 0, ended_attempts = 0")
    await restored.execute("SET LOCAL session_replication_role TO origin")


async def test_what_was_sent_is_not_sent_again_and_what_waits_still_is(
    hooks: Hooks, restored: Sql, sql: Sql
) -> None:
    async with receiving() as receiver:
        await hooks.subscribe(receiver.url)
        order, other = await hooks.order(), await hooks.order()
        await hooks.append(order, key="paid")
        await hooks.append(order, "order.refunded", key="refunded")
        await hooks.deliver()
        before, since = receiver.ids
        await hooks.append(other)
        await go_back(restored, made_since=since)
        assert [(row["sent"], row["given_up"]) for row in await restored.fetch(SEEN)] == [(False, False)] * 2
        done = await after_restore(restored, sql)
    assert done[1] == "2 webhooks that were sent since are not sent again"
    sent = {str(row["event_id"]): row["sent"] for row in await restored.fetch(SEEN)}
    (waiting,) = sent.keys() - {before, since}
    assert sent == {before: True, since: True, waiting: False}
    # The change that happens once more is known.
    stored = "SELECT count(*) FROM outgoing_events WHERE order_id::text = $1 AND change_key = 'refunded'"
    assert await restored.fetchval(stored, order["id"]) == 1


async def test_without_the_database_of_before_what_waits_is_given_up(hooks: Hooks, restored: Sql) -> None:
    async with receiving() as receiver:
        await hooks.subscribe(receiver.url)
        await hooks.append(await hooks.order())
        done = await after_restore(restored, None)
        assert done[1] == "1 waiting webhooks given up: they may have been sent; redeliver them by hand"
    assert [(row["sent"], row["given_up"]) for row in await restored.fetch(SEEN)] == [(False, True)]


async def test_all_of_the_last_weeks_are_compared_at_once(hooks: Hooks, sql: Sql) -> None:
    await sql.execute(
        "UPDATE turns SET finished_at = now(), lease_until = now() + interval '1 minute' WHERE name = 'reconciliation'"
    )
    (said, _) = await after_restore(sql, None)
    assert "compared when the service starts" in said
    assert await sql.fetchval("SELECT lease_until <= now() FROM turns WHERE name = 'reconciliation'")
    start = await find_start(hooks.app.component(Database))
    assert abs(start - (datetime.now(UTC) - FIRST_WINDOW)).total_seconds() < 3600
