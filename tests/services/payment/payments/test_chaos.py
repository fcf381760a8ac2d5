"""Buyers, admins, banks, sweeps and faults of Stripe at once, by chance: in the end no money is lost or doubled."""

import asyncio
import contextlib
import random

import httpx
import pytest
from sqlalchemy import text

from payment.settings import Settings
from tests.services.payment.payments.test_once import LAPSE, pay_session
from tests.services.payment.purchases import Purchases
from tests.services.payment.refunds.test_refunds import MAKE_DUE
from tests.services.payment.shop import Headers, Sql
from tests.services.payment.soundness import find_wrongs
from tests.services.payment.stripe_account import Json

FAULTS = (
    ("api_error", "before"),
    ("api_error", "after"),
    ("drop_connection", "before"),
    ("drop_connection", "after"),
    # After an effect Stripe answers neither.
    ("lock_timeout", "before"),
    ("idempotency_key_in_use", "before"),
)
END_LEASES = (
    "UPDATE stripe_events SET due_at = now() WHERE done_at IS NULL",
    "UPDATE idempotency_keys SET leased_until = now() WHERE leased_until IS NOT NULL",
    MAKE_DUE,
)
METHODS = ("pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined")


@pytest.fixture(scope="module")
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"stripe_timeout_seconds": 2})


class Chaos:
    """What happens by chance to one order."""

    def __init__(
        self, purchases: Purchases, sql: Sql, order: Json, buyer: Headers, source: random.Random
    ) -> None:
        self._purchases = purchases
        self._sql = sql
        self._order = order
        self._buyer = buyer
        self._source = source

    async def begin(self) -> int:
        """A payment, on one way or the other."""
        way = self._source.choice((self._purchases.pay, self._purchases.checkout))
        return (await way(self._order, buyer=self._buyer)).status_code

    async def cancel(self) -> int:
        """A cancellation."""
        return (await self._purchases.cancel(self._order, buyer=self._buyer)).status_code

    async def refund(self) -> int:
        """A refund of a part."""
        return (await self._purchases.refund(self._order, amount="4.00")).status_code

    async def confirm(self) -> int:
        """The buyer pays whatever page was left open."""
        method = self._source.choice(METHODS)
        intents = self._purchases.intents_of(self._order)
        sessions = [
            each
            for each in self._purchases.account.all("checkout.session")
            if each["metadata"]["order_id"] == self._order["id"]
        ]
        if not intents + sessions:
            return 200
        thing = self._source.choice(intents + sessions)
        # The buyer's call may have the fault, too.
        with contextlib.suppress(httpx.TransportError):
            if thing["object"] == "checkout.session":
                await pay_session(self._purchases, thing["id"], method)
            else:
                await self._purchases.account.confirm(thing["client_secret"], method)
        return 200

    async def tell(self) -> int:
        """Stripe's events come, in any order."""
        events = self._purchases.account.take_events()
        self._source.shuffle(events)
        await self._purchases.account.deliver(self._purchases.client, events)
        return 200

    async def lapse(self) -> int:
        """The reservation ends."""
        if self._source.random() < 0.2:
            async with self._purchases.database.transaction() as db:
                await db.execute(text(LAPSE.replace("$1", ":id")), {"id": self._order["id"]})
        await self._purchases.sweep()
        return 200

    async def fail(self) -> int:
        """Stripe has a fault."""
        kind, when = self._source.choice(FAULTS)
        self._purchases.account.break_next(
            kind,
            when=when,
            method=self._source.choice(("POST", "POST", "GET")),
            times=self._source.randint(1, 3),
        )
        return 200

    async def happen(self, steps: int) -> None:
        """So many steps, one or several at once."""
        acts = (
            self.begin,
            self.begin,
            self.confirm,
            self.cancel,
            self.refund,
            self.tell,
            self.lapse,
            self.fail,
        )
        for _ in range(steps):
            chosen = self._source.choices(acts, k=self._source.randint(1, 3))
            for status in await asyncio.gather(*(act() for act in chosen)):
                assert status in (200, 201, 202, 409, 422, 429, 503)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 12))
async def test_whatever_happens_at_once_money_is_neither_lost_nor_doubled(
    purchases: Purchases, sql: Sql, seed: int
) -> None:
    source = random.Random(seed)  # noqa: S311 - the same chances each time
    buyer = purchases.buyer()
    product = await purchases.shop.offer(stock=100)
    orders = [await purchases.shop.placed({product["sku"]: 1}, buyer=buyer) for _ in range(6)]
    await asyncio.gather(*(Chaos(purchases, sql, order, buyer, source).happen(6) for order in orders))
    purchases.account.standin.faults.waiting.clear()
    purchases.account.advance(5)
    for _ in range(3):
        for statement in END_LEASES:
            await sql.execute(statement)
        await purchases.catch_up()
        await purchases.sweep()
    assert await find_wrongs(sql, purchases.account) == []
    rows = await sql.fetch(
        "SELECT status FROM orders WHERE id = ANY($1::uuid[])", [each["id"] for each in orders]
    )
    held = sum(row["status"] == "pending" for row in rows)
    sold = sum(row["status"] not in ("pending", "cancelled", "expired") for row in rows)
    shown = await purchases.client.get(f"/v1/products/{product['sku']}", headers=purchases.shop.admin)
    assert (shown.json()["stock"], shown.json()["available"]) == (100 - sold, 100 - sold - held)
