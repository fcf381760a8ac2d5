"""The operations of Stripe that Payment uses; each answers with plain dictionaries."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Self

import stripe

from payment.stripe_api.calls import Calls, Json
from payment.stripe_api.metrics import Operation

PAGE = 100
"""Rows on a page of a list: Stripe's maximum."""

KEY_LIFETIME = timedelta(hours=23)
"""How long Stripe surely knows an idempotency key: it forgets them after 24 hours. After that what was made for one is looked up,
and what is not found was not made."""

CLOCKS_DIFFER = timedelta(hours=1)
"""How far our time of a row and Stripe's time of what it made for it may lie apart."""

Method = Callable[..., Awaitable[stripe.StripeObject]]


@dataclass(frozen=True, kw_only=True)
class StripeApi:
    """Calls of Stripe, each within a bound. Every one may raise `StripeRefused` or `StripeUnavailable`.

    A write takes the idempotency key of the row that it comes from, and exactly that row's parameters, each time. Nothing of
    the database may be held while a call is waited for.
    """

    client: stripe.StripeClient
    http: stripe.HTTPXClient
    calls: Calls

    def in_background(self) -> Self:
        """The same for work that nobody waits for: at most `STRIPE_MAX_RPS` calls a second in this process, none for a while
        after a 429."""
        return replace(self, calls=replace(self.calls, is_background=True))

    def one_bound(self) -> AbstractContextManager[None]:
        """In this block all calls together have to be done within the bound of one."""
        return self.calls.one_bound()

    async def aclose(self) -> None:
        """Close the connections."""
        await self.http.close_async()  # type: ignore[no-untyped-call]

    async def create_customer(self, params: Json, *, key: str) -> Json:
        """A new customer."""
        return await self._write("customers.create", self.client.v1.customers.create_async, params, key=key)

    async def retrieve_customer(self, customer_id: str) -> Json:
        """A customer; a deleted one has `deleted`."""
        return await self._read(
            "customers.retrieve", self.client.v1.customers.retrieve_async, customer_id, {}
        )

    async def delete_customer(self, customer_id: str) -> Json:
        """Delete a customer. One that is gone already is refused with `resource_missing`."""
        method = self.client.v1.customers.delete_async
        return await self.calls.call("customers.delete", lambda: method(customer_id), is_write=True)

    async def list_customers(self, params: Json) -> Json:
        """A page of customers, newest first; without deleted ones."""
        return await self._read("customers.list", self.client.v1.customers.list_async, params)

    async def create_payment_intent(self, params: Json, *, key: str) -> Json:
        """A new PaymentIntent."""
        method = self.client.v1.payment_intents.create_async
        return await self._write("payment_intents.create", method, params, key=key)

    async def retrieve_payment_intent(self, intent_id: str, *, expand: tuple[str, ...] = ()) -> Json:
        """A PaymentIntent."""
        method = self.client.v1.payment_intents.retrieve_async
        return await self._read("payment_intents.retrieve", method, intent_id, _expanding(expand))

    async def cancel_payment_intent(self, intent_id: str, params: Json, *, key: str) -> Json:
        """Cancel a PaymentIntent. One that has ended is refused with `payment_intent_unexpected_state`, and sent along."""
        method = self.client.v1.payment_intents.cancel_async
        return await self._write("payment_intents.cancel", method, intent_id, params, key=key)

    async def list_payment_intents(self, params: Json) -> Json:
        """A page of PaymentIntents, newest first."""
        return await self._read("payment_intents.list", self.client.v1.payment_intents.list_async, params)

    async def create_checkout_session(self, params: Json, *, key: str) -> Json:
        """A new Checkout session."""
        method = self.client.v1.checkout.sessions.create_async
        return await self._write("checkout.sessions.create", method, params, key=key)

    async def retrieve_checkout_session(self, session_id: str, *, expand: tuple[str, ...] = ()) -> Json:
        """A Checkout session."""
        method = self.client.v1.checkout.sessions.retrieve_async
        return await self._read("checkout.sessions.retrieve", method, session_id, _expanding(expand))

    async def expire_checkout_session(self, session_id: str, *, key: str) -> Json:
        """Expire a Checkout session. One that is no longer open is refused."""
        method = self.client.v1.checkout.sessions.expire_async
        return await self._write("checkout.sessions.expire", method, session_id, {}, key=key)

    async def list_checkout_sessions(self, params: Json) -> Json:
        """A page of Checkout sessions, newest first."""
        method = self.client.v1.checkout.sessions.list_async
        return await self._read("checkout.sessions.list", method, params)

    async def create_refund(self, params: Json, *, key: str) -> Json:
        """A new refund."""
        return await self._write("refunds.create", self.client.v1.refunds.create_async, params, key=key)

    async def retrieve_refund(self, refund_id: str, *, expand: tuple[str, ...] = ()) -> Json:
        """A refund."""
        method = self.client.v1.refunds.retrieve_async
        return await self._read("refunds.retrieve", method, refund_id, _expanding(expand))

    async def list_refunds(self, params: Json) -> Json:
        """A page of refunds, newest first."""
        return await self._read("refunds.list", self.client.v1.refunds.list_async, params)

    async def retrieve_dispute(self, dispute_id: str, *, expand: tuple[str, ...] = ()) -> Json:
        """A dispute."""
        method = self.client.v1.disputes.retrieve_async
        return await self._read("disputes.retrieve", method, dispute_id, _expanding(expand))

    async def list_disputes(self, params: Json) -> Json:
        """A page of disputes, newest first."""
        return await self._read("disputes.list", self.client.v1.disputes.list_async, params)

    async def retrieve_charge(self, charge_id: str, *, expand: tuple[str, ...] = ()) -> Json:
        """A charge."""
        method = self.client.v1.charges.retrieve_async
        return await self._read("charges.retrieve", method, charge_id, _expanding(expand))

    async def retrieve_event(self, event_id: str) -> Json:
        """An event, as Stripe keeps it for 30 days."""
        return await self._read("events.retrieve", self.client.v1.events.retrieve_async, event_id, {})

    async def list_events(self, params: Json) -> Json:
        """A page of events, newest first."""
        return await self._read("events.list", self.client.v1.events.list_async, params)

    async def _read(self, operation: Operation, method: Method, *arguments: Any) -> Json:
        return await self.calls.call(operation, lambda: method(*arguments), is_write=False)

    async def _write(self, operation: Operation, method: Method, *arguments: Any, key: str) -> Json:
        options = {"idempotency_key": key}
        return await self.calls.call(operation, lambda: method(*arguments, options), is_write=True)


async def walk(list_page: Callable[[Json], Awaitable[Json]], params: Json) -> AsyncIterator[Json]:
    """Every object of a list, page by page."""
    after: Json = {}
    while True:
        page = await list_page({"limit": PAGE} | params | after)
        for each in page["data"]:
            yield each
        if not page["has_more"] or not page["data"]:
            return
        after = {"starting_after": page["data"][-1]["id"]}


def _expanding(paths: tuple[str, ...]) -> Json:
    return {"expand": list(paths)} if paths else {}
