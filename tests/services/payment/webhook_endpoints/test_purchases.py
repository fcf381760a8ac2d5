"""What happens to an order is told once, as the order is shown then."""

import asyncio
from typing import Any

from tests.services.payment.purchases import Purchases
from tests.services.payment.webhook_endpoints.receiver import Hooks, receiving


def _without_time(order: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in order.items() if name != "updated_at"}


async def test_a_payment_and_a_refund_are_told_once_each_with_the_order_as_it_was(
    purchases: Purchases, hooks: Hooks
) -> None:
    async with receiving() as receiver:
        await hooks.subscribe(receiver.url)
        buyer = purchases.buyer()
        order = await purchases.ordered("20.00", buyer=buyer)
        secret = await purchases.secret(order, buyer=buyer)
        assert (await purchases.account.confirm(secret)).status_code == 200
        purchases.account.advance(5)
        events = purchases.account.take_events()
        await asyncio.gather(*(purchases.catch_up(events) for _ in range(3)))
        paid = await purchases.read(order, buyer=buyer)
        await hooks.deliver()
        (told,) = [request.event for request in receiver.received]
        assert (told["type"], paid["status"], paid["amount_paid"]) == ("order.paid", "paid", "20.00")
        assert _without_time(told["data"]["object"]) == _without_time(paid)
        refund = await purchases.refund(order, amount="5.00")
        assert refund.status_code == 201, refund.text
        await purchases.catch_up()
        await hooks.deliver()
        refunded = await purchases.read(order, buyer=buyer)
        assert [request.event["type"] for request in receiver.received] == ["order.paid", "order.refunded"]
        assert (refunded["status"], refunded["amount_refunded"]) == ("partially_refunded", "5.00")
        assert _without_time(receiver.received[1].event["data"]["object"]) == _without_time(refunded)


async def test_a_dispute_is_told_when_it_takes_money_and_when_it_is_decided(
    purchases: Purchases, hooks: Hooks
) -> None:
    async with receiving() as receiver:
        await hooks.subscribe(receiver.url, event_types=["order.disputed"])
        await purchases.paid(buyer=purchases.buyer())
        (charge,) = purchases.account.all("charge")
        await purchases.account.control("disputes/open", charge=charge["id"])
        await purchases.catch_up()
        (dispute,) = purchases.account.all("dispute")
        await purchases.account.control("disputes/decide", id=dispute["id"], outcome="won")
        for _ in range(2):
            await purchases.catch_up()
            await hooks.deliver()
        told = [request.event["data"]["object"]["status"] for request in receiver.received]
        assert told == ["disputed", "paid"]
