"""While Stripe is waited for, nothing of the database is held."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from payment.settings import Settings
from tests.services.payment.purchases import Purchases
from tests.services.payment.shop import Sql, until
from tests.services.payment.soundness import find_wrongs
from tests.services.payment.stripe_account import Json

IN_TRANSACTION = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'
"""

WAITS_FOR_LOCK = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture(scope="module")
def settings(settings: Settings) -> Settings:
    pool = settings.database.pool.model_copy(update={"min": 1, "max": 5})
    database = settings.database.model_copy(update={"pool": pool})
    return settings.model_copy(update={"database": database, "stripe_timeout_seconds": 10})


@pytest.mark.parametrize(("payments", "reads"), [(15, 40), pytest.param(50, 200, marks=pytest.mark.long)])
async def test_payments_that_wait_for_stripe_hold_no_connection(
    purchases: Purchases, sql: Sql, payments: int, reads: int
) -> None:
    product = await purchases.shop.offer()
    buyers = [purchases.buyer() for _ in range(payments // 5)]
    orders = [
        (await purchases.shop.placed({product["sku"]: 1}, buyer=buyer), buyer)
        for buyer in buyers
        for _ in range(5)
    ]
    purchases.account.break_next("delay", "/v1/payment_intents", seconds=600, times=payments)
    paying = asyncio.gather(*(purchases.pay(order, buyer=buyer) for order, buyer in orders))

    async def all_wait() -> bool:
        status = purchases.database.pool_status()
        return not purchases.account.standin.faults.waiting and (status.in_use, status.waiting) == (0, 0)

    await until(all_wait)
    assert await sql.fetchval(IN_TRANSACTION) == 0
    answers = await asyncio.gather(
        *(purchases.client.get("/v1/orders", headers=buyers[n % len(buyers)]) for n in range(reads))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert not paying.done()
    assert purchases.database.pool_status().in_use == 0
    assert await sql.fetchval(IN_TRANSACTION) == 0
    purchases.account.advance(600)
    purchases.account.standin.deliveries.wake()
    assert {answer.status_code for answer in await paying} == {200}
    assert len(purchases.account.all("payment_intent")) == payments
    assert await find_wrongs(sql, purchases.account) == []


async def at_once(
    purchases: Purchases, sql: Sql, order: Json, call: Callable[[], Awaitable[int]]
) -> Counter[int]:
    """The statuses of fifty calls about an order whose row is locked when they come. They hold one connection, so that
    others wait for none."""
    async with sql.transaction():
        await sql.execute("SELECT FROM orders WHERE id = $1 FOR UPDATE", order["id"])
        calls = asyncio.gather(*(call() for _ in range(50)))

        async def one_waits() -> bool:
            status = purchases.database.pool_status()
            return (status.in_use, status.waiting) == (1, 0) and await sql.fetchval(WAITS_FOR_LOCK) == 1

        await until(one_waits)
        reads = [purchases.client.get("/v1/orders", headers=purchases.buyer()) for _ in range(20)]
        assert {answer.status_code for answer in await asyncio.gather(*reads)} == {200}
    return Counter(await calls)


async def test_fifty_payments_of_an_order_at_once(purchases: Purchases, sql: Sql) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)

    async def pay() -> int:
        return (await purchases.pay(order, buyer=buyer)).status_code

    assert await at_once(purchases, sql, order, pay) == {200: 50}
    assert len(purchases.intents_of(order)) == 1
    assert await find_wrongs(sql, purchases.account) == []


async def test_fifty_refunds_of_an_order_at_once(purchases: Purchases, sql: Sql) -> None:
    order = await purchases.paid("100.00", buyer=purchases.buyer())

    async def refund() -> int:
        return (await purchases.refund(order, amount="7.00")).status_code

    assert await at_once(purchases, sql, order, refund) == {201: 14, 422: 36}
    assert sum(each["amount"] for each in purchases.account.all("refund")) == 9_800
    assert await find_wrongs(sql, purchases.account) == []


async def test_fifty_cancellations_of_an_order_at_once(purchases: Purchases, sql: Sql) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer, stock=1)
    await purchases.secret(order, buyer=buyer)

    async def cancel() -> int:
        return (await purchases.cancel(order, buyer=buyer)).status_code

    assert await at_once(purchases, sql, order, cancel) == {200: 1, 409: 49}
    assert [each["status"] for each in purchases.intents_of(order)] == ["canceled"]
    assert await find_wrongs(sql, purchases.account) == []
