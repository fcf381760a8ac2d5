"""Steps of purchases, and the service's background work, done when a test says so."""

from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import exists, select

from dbcommon.engine import Database
from payment.models import StripeEvent
from payment.stripe_api.client import StripeApi
from payment.stripe_events.repository import QUEUE
from payment.stripe_events.worker import EventWorker
from payment.worker import sweep
from tests.services.payment.shop import Headers, Shop, until
from tests.services.payment.stripe_account import Json, StripeAccount
from webcommon.app.service import Service


class Purchases:
    """A shop and its account at Stripe."""

    def __init__(self, shop: Shop, app: Service, account: StripeAccount) -> None:
        self.shop = shop
        self.client = shop.client
        self.account = account
        self.database = app.component(Database)
        self.stripe = app.component(StripeApi)

    def buyer(self) -> Headers:
        """The headers of a new customer."""
        return self.shop.buyer()

    async def ordered(self, price: str = "12.50", *, quantity: int = 1, buyer: Headers, **offer: Any) -> Json:
        """A new order of one product."""
        product = await self.shop.offer(unit_price=price, **offer)
        return await self.shop.placed({product["sku"]: quantity}, buyer=buyer)

    async def pay(self, order: Json, *, buyer: Headers) -> httpx.Response:
        """The answer to the beginning of a payment."""
        return await self.client.post(f"/v1/orders/{order['id']}/payment", headers=buyer)

    async def secret(self, order: Json, *, buyer: Headers) -> str:
        """The client secret of a payment that has begun."""
        answer = await self.pay(order, buyer=buyer)
        assert answer.status_code == 200, answer.text
        secret: str = answer.json()["client_secret"]
        return secret

    async def cancel(self, order: Json, *, buyer: Headers) -> httpx.Response:
        """The answer to a cancellation."""
        return await self.client.post(f"/v1/orders/{order['id']}/cancel", headers=buyer)

    async def checkout(self, order: Json, *, buyer: Headers, page: str = "thanks") -> httpx.Response:
        """The answer to the beginning of a Checkout."""
        urls = {
            "success_url": f"http://localhost:8000/{page}",
            "cancel_url": "http://localhost:8000/cart",
        }
        return await self.client.post(f"/v1/orders/{order['id']}/checkout", json=urls, headers=buyer)

    async def catch_up(self, events: list[Json] | None = None) -> None:
        """Deliver these events, or all new ones, and apply them."""
        for answer in await self.account.deliver(self.client, events):
            assert answer.status_code == 200, answer.text
        await self.work()

    async def work(self) -> None:
        """Wait until every event is applied, or has failed."""
        worker = EventWorker(database=self.database, stripe=self.stripe, is_live=False)
        while await worker.run():
            pass
        # The application's own worker may have claimed some.
        await until(self._is_caught_up)

    async def _is_caught_up(self) -> bool:
        waiting = exists().where(QUEUE.pending, StripeEvent.last_error.is_(None))
        row = await self.database.fetch_one(select(~waiting))
        return row is not None and bool(row[0])

    async def sweep(self) -> None:
        """Do what the periodic sweep does."""
        await sweep(self.database, self.stripe)

    async def read(self, order: Json, *, buyer: Headers) -> Json:
        """The order as it stands."""
        answer = await self.client.get(f"/v1/orders/{order['id']}", headers=buyer)
        assert answer.status_code == 200, answer.text
        shown: Json = answer.json()
        return shown

    async def progress(self, order: Json, *, buyer: Headers) -> Json:
        """How the payment of the order stands."""
        answer = await self.client.get(f"/v1/orders/{order['id']}/payment", headers=buyer)
        assert answer.status_code == 200, answer.text
        shown: Json = answer.json()
        return shown

    async def paid(self, price: str = "12.50", *, buyer: Headers, quantity: int = 1, **offer: Any) -> Json:
        """An order that was paid, its events applied, the fee included."""
        order = await self.ordered(price, quantity=quantity, buyer=buyer, **offer)
        secret = await self.secret(order, buyer=buyer)
        assert (await self.account.confirm(secret)).status_code == 200
        self.account.advance(5)
        await self.catch_up()
        return await self.read(order, buyer=buyer)

    async def refund(self, order: Json, *, key: str | None = None, **fields: Any) -> httpx.Response:
        """The answer to a refund by an admin."""
        headers = self.shop.admin | {"Idempotency-Key": key or str(uuid4())}
        return await self.client.post(f"/v1/orders/{order['id']}/refunds", json=fields, headers=headers)

    async def refunds(self, order: Json) -> list[Json]:
        """The refunds of an order."""
        answer = await self.client.get(f"/v1/orders/{order['id']}/refunds", headers=self.shop.admin)
        assert answer.status_code == 200, answer.text
        items: list[Json] = answer.json()["items"]
        return items

    def intents_of(self, order: Json) -> list[Json]:
        """The PaymentIntents of an order, the oldest first."""
        return [
            each
            for each in self.account.all("payment_intent")
            if each["metadata"].get("order_id") == order["id"]
        ]


def figures(order: Json) -> tuple[str, str, str, str, str]:
    """Status and figures: paid, refunded, refundable, disputed."""
    return (
        order["status"],
        order["amount_paid"],
        order["amount_refunded"],
        order["amount_refundable"],
        order["amount_disputed"],
    )
