"""Faults of Stripe and of its network: 503 within the bound, nothing half done, and the next call works."""

import asyncio

import pytest

from payment.settings import Settings
from tests.services.payment.purchases import Purchases
from tests.services.payment.refunds.test_refunds import MAKE_DUE
from tests.services.payment.shop import Sql, problem
from tests.services.payment.soundness import find_wrongs

LONG = pytest.mark.long
FAULTS = (
    pytest.param("api_error", "before", 0),
    pytest.param("api_error", "after", 0),
    pytest.param("drop_connection", "before", 0, marks=LONG),
    pytest.param("drop_connection", "after", 0),
    pytest.param("lock_timeout", "before", 0, marks=LONG),
    pytest.param("idempotency_key_in_use", "before", 0, marks=LONG),
    pytest.param("rate_limit", "before", 0, marks=LONG),
    pytest.param("delay", "before", 20, marks=LONG),
    pytest.param("delay", "after", 20, marks=LONG),
    pytest.param("drip", "after", 1, marks=LONG),
)
"""A kind of fault, before or after the effect of the call, and its seconds."""


@pytest.fixture(scope="module")
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"stripe_timeout_seconds": 2})


@pytest.mark.parametrize(("kind", "when", "seconds"), FAULTS)
async def test_fault_leaves_nothing_half_done_and_the_next_call_works(
    purchases: Purchases, sql: Sql, kind: str, when: str, seconds: float
) -> None:
    buyer, stranger = purchases.buyer(), purchases.buyer()
    refundable = await purchases.paid(buyer=buyer)
    opened, payable, shown = [await purchases.ordered(buyer=buyer) for _ in range(3)]
    await purchases.secret(opened, buyer=buyer)
    first = await purchases.ordered(buyer=stranger)

    async def call() -> list[int]:
        answers = await asyncio.gather(
            purchases.pay(payable, buyer=buyer),
            purchases.checkout(shown, buyer=buyer),
            purchases.pay(first, buyer=stranger),
            purchases.cancel(opened, buyer=buyer),
            purchases.refund(refundable, key=f"{kind} {when}"),
        )
        for answer in answers:
            if answer.status_code == 503:
                assert problem(answer) == (503, "stripe-unavailable")
                assert int(answer.headers["retry-after"]) > 0
        return [answer.status_code for answer in answers]

    purchases.account.break_next(kind, when=when, seconds=seconds, times=1000)
    statuses = await call()
    assert set(statuses[:4]) <= {200, 503}
    assert statuses[4] in (201, 202)
    purchases.account.standin.faults.waiting.clear()
    purchases.account.advance(seconds)
    await sql.execute(MAKE_DUE)
    # The cancellation may have been done by now.
    assert await call() in ([200, 200, 200, 200, 201], [200, 200, 200, 409, 201])
    assert (await purchases.read(opened, buyer=buyer))["status"] == "cancelled"
    await purchases.catch_up()
    await purchases.sweep()
    assert [len(purchases.intents_of(order)) for order in (payable, first, opened)] == [1, 1, 1]
    assert len(purchases.account.all("checkout.session")) == 1
    (refund,) = await purchases.refunds(refundable)
    # A stored 500, and no refund in Stripe's list: then there is none.
    ending = ("failed", 0) if (kind, when) == ("api_error", "before") else ("succeeded", 1)
    assert (refund["status"], len(purchases.account.all("refund"))) == ending
    assert await find_wrongs(sql, purchases.account) == []


async def test_intent_that_stripe_does_not_know_any_more_is_503_and_stops_no_other_order(
    purchases: Purchases, sql: Sql
) -> None:
    buyer = purchases.buyer()
    order, other = [await purchases.ordered(buyer=buyer, stock=1) for _ in range(2)]
    for each in (order, other):
        await purchases.secret(each, buyer=buyer)
    (intent,) = purchases.intents_of(order)
    del purchases.account.standin.account.objects["payment_intent"][intent["id"]]
    for refused in (await purchases.checkout(order, buyer=buyer), await purchases.cancel(order, buyer=buyer)):
        assert problem(refused) == (503, "stripe-unavailable")
        assert int(refused.headers["retry-after"]) > 0
    await sql.execute(
        "UPDATE orders SET expires_at = now() - interval '1 second' WHERE id = ANY($1::uuid[])",
        [order["id"], other["id"]],
    )
    await purchases.sweep()
    assert (await purchases.read(order, buyer=buyer))["status"] == "pending"
    assert (await purchases.read(other, buyer=buyer))["status"] == "expired"
    await sql.execute(
        "UPDATE payment_attempts SET closed_at = now(), outcome = 'canceled' WHERE closed_at IS NULL"
    )
