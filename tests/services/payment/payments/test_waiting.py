"""While Stripe is waited for, nothing of the database is held."""

import asyncio

import pytest

from payment.settings import Settings
from tests.services.payment.purchases import Purchases
from tests.services.payment.shop import Sql, until
from tests.services.payment.soundness import find_wrongs

IN_TRANSACTION = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'
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
