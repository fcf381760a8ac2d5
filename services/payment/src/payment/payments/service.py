"""Paying and cancelling orders."""

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.models import new_id
from dbcommon.rows import AnyRow
from payment.currencies import find_currency
from payment.history import repository as history
from payment.history.repository import By, Change
from payment.listings.dependencies import Portion
from payment.listings.service import answer_page
from payment.models import AttemptKind, OrderStatus, PaymentStatus
from payment.money import show_amount, to_minor_units
from payment.orders import repository as orders
from payment.orders.errors import OrderNotFound
from payment.orders.service import close_order
from payment.payments import repository
from payment.payments.attempts import close_attempt, intent_parameters, make_attempt, session_parameters
from payment.payments.customers import ensure_customer
from payment.payments.errors import (
    CheckoutUrlRefused,
    OrderNotCancellable,
    OrderNotPayable,
    PaymentAttemptsExceeded,
    PaymentBusy,
    PaymentNotFound,
    PaymentProcessing,
    PaymentUnderReview,
)
from payment.payments.schemas import (
    Checkout,
    NewCheckout,
    PaymentError,
    PaymentProgress,
    PaymentToConfirm,
)
from payment.stripe_api.client import StripeApi
from payment.stripe_api.errors import StripeRefused, StripeUnavailable
from webcommon.api.paging import CursorCodec

logger = logging.getLogger(__name__)

MOST_DECLINES_AN_HOUR = 10
MOST_OPEN_ORDERS = 20

SESSION_SECONDS = 40 * 60
"""The life of a Checkout session. Stripe's shortest is 30 minutes, by its clock: ours may be ten minutes behind. A session
ends with its order's reservation anyway."""

_TOO_MANY = "Send one request at a time; try again in a second."

_ROUNDS = 5
"""How often what stands in the way is cleared before the caller is asked to come back."""

_KINDS = {"ch_": "charge", "py_": "charge", "cs_": "session"}
"""What an id of Stripe is of, by how it begins; else it is of a PaymentIntent."""


async def start_payment(
    database: Database, stripe: StripeApi, order_id: UUID, *, owner: UUID, publishable_key: str
) -> PaymentToConfirm:
    """The one live PaymentIntent of an order, made if there is none.

    Raises `OrderNotFound`, `OrderNotPayable`, `PaymentUnderReview`, `PaymentProcessing`, `PaymentAttemptsExceeded`,
    `AmountNotChargeable`, `PaymentBusy`, `StripeUnavailable`.
    """
    with _for_a_request(stripe):
        made = await _make(database, stripe, order_id, owner=owner, kind="payment_intent", checkout=None)
    progress = await read_payment(database, order_id, owner=owner, viewer=owner)
    return PaymentToConfirm(
        payment=progress, client_secret=made["client_secret"], publishable_key=publishable_key
    )


async def start_checkout(
    database: Database,
    stripe: StripeApi,
    order_id: UUID,
    checkout: NewCheckout,
    *,
    owner: UUID,
    allowed: tuple[str, ...],
) -> Checkout:
    """A Checkout session for an order, the open one if its URLs are these. `allowed`: origins to return to.

    Raises what `start_payment` raises, and `CheckoutUrlRefused`.
    """
    for url in (checkout.success_url, checkout.cancel_url):
        _check_url(url, allowed)
    with _for_a_request(stripe):
        made = await _make(
            database, stripe, order_id, owner=owner, kind="checkout_session", checkout=checkout
        )
    return Checkout(url=made["url"])


@contextlib.contextmanager
def _for_a_request(stripe: StripeApi) -> Iterator[None]:
    """All calls in the block within one bound. A refusal that has no meaning of its own, as of a reading of what should be
    there, leaves the state at Stripe unknown: `StripeUnavailable`."""
    try:
        with stripe.one_bound():
            yield
    except StripeRefused as refused:
        logger.warning("Stripe refuses what was made for an order: %s", refused)
        raise StripeUnavailable(http_status=refused.http_status) from refused


def _check_url(url: str, allowed: tuple[str, ...]) -> None:
    parts = urlsplit(url)
    if f"{parts.scheme}://{parts.netloc}" not in allowed:
        raise CheckoutUrlRefused(
            f"Return to one of {', '.join(allowed) or 'no origin: set PAYMENT_CHECKOUT_RETURN_ORIGINS'}."
        )


async def _make(
    database: Database,
    stripe: StripeApi,
    order_id: UUID,
    *,
    owner: UUID,
    kind: AttemptKind,
    checkout: NewCheckout | None,
) -> dict[str, Any]:
    """What Stripe made for the open attempt of the order, of this kind: at most one is open at any time."""
    by = By(cause="buyer", actor_id=owner)
    obstacle: Exception = StripeUnavailable()
    for _ in range(_ROUNDS):
        async with database.transaction(one_at_a_time=order_id) as db:
            order = await _lock_payable(db, order_id, owner=owner)
            await _check_abuse(db, owner)
            attempt = await repository.find_open_attempt(db, order_id)
        if attempt is not None and not (attempt.kind == kind and _returns_to(attempt, checkout)):
            await _clear(database, stripe, attempt, by)
            obstacle = PaymentBusy(_TOO_MANY)
            continue
        attempt = attempt or await _begin(database, stripe, order, kind=kind, checkout=checkout, by=by)
        if attempt is None:
            obstacle = PaymentBusy(_TOO_MANY)
            continue
        if (attempt.url if checkout else attempt.client_secret) is not None:
            return {"client_secret": attempt.client_secret, "url": attempt.url}
        made = await make_attempt(database, stripe, attempt)
        if made is None:
            obstacle = StripeUnavailable()
            continue
        if made["url" if checkout else "client_secret"] is not None:
            return made
        # It was found, and has ended: a session has no URL then.
        await _clear(database, stripe, attempt, by)
    raise obstacle


async def _lock_payable(db: AsyncSession, order_id: UUID, *, owner: UUID) -> AnyRow:
    order = await orders.lock_order(db, order_id, owner=owner)
    if order is None:
        raise OrderNotFound
    if order.status != "pending" or order.is_overdue:
        shown = "overdue" if order.status == "pending" else order.status
        raise OrderNotPayable(f"It is {shown}.")
    if order.flag is not None:
        raise PaymentUnderReview(
            "Money came that does not fit the order. The shop decides about it; pay nothing more."
        )
    return order


async def _begin(
    database: Database,
    stripe: StripeApi,
    order: AnyRow,
    *,
    kind: AttemptKind,
    checkout: NewCheckout | None,
    by: By,
) -> AnyRow | None:
    """A new attempt of an order; None when another request was faster."""
    customer = await ensure_customer(database, stripe, order.user_id)
    async with database.transaction(one_at_a_time=order.id) as db:
        order = await _lock_payable(db, order.id, owner=order.user_id)
        if await repository.find_open_attempt(db, order.id) is not None:
            return None
        attempt_id = new_id()
        if checkout is None:
            parameters = intent_parameters(
                order, attempt_id=attempt_id, customer=customer, minor_units=_minor_units(order)
            )
        else:
            parameters = session_parameters(
                order,
                attempt_id=attempt_id,
                customer=customer,
                lines=await _lines(db, order),
                success_url=checkout.success_url,
                cancel_url=checkout.cancel_url,
                expires_at=int(time.time()) + SESSION_SECONDS,
            )
        attempt = await repository.insert_attempt(
            db, attempt_id=attempt_id, order=order, kind=kind, parameters=parameters
        )
        opened = Change(
            subject="attempt", subject_id=str(attempt_id), from_status=None, to_status="open", note=kind
        )
        await history.record(db, order.id, [opened], by)
        return attempt


async def _check_abuse(db: AsyncSession, user_id: UUID) -> None:
    counts = await repository.count_abuse(db, user_id)
    if counts.declines > MOST_DECLINES_AN_HOUR:
        raise PaymentAttemptsExceeded(
            "Too many cards were declined. Try again later with one that works.",
            retry_after=int(counts.seconds) + 1,
        )
    if counts.open_orders > MOST_OPEN_ORDERS:
        raise PaymentAttemptsExceeded(
            "You have too many open orders: cancel some of them first.", retry_after=60
        )


def _minor_units(order: AnyRow) -> int:
    return to_minor_units(order.total_amount, find_currency(order.currency))


async def _lines(db: AsyncSession, order: AnyRow) -> list[dict[str, Any]]:
    currency = find_currency(order.currency)
    return [
        {
            "quantity": item.quantity,
            "price_data": {
                "currency": order.currency,
                "unit_amount": to_minor_units(item.unit_price, currency),
                "product_data": {"name": item.product_name},
            },
        }
        for item in await repository.find_items(db, order.id)
    ]


def _returns_to(attempt: AnyRow, checkout: NewCheckout | None) -> bool:
    if checkout is None:
        return True
    wanted = (checkout.success_url, checkout.cancel_url)
    return (attempt.parameters["success_url"], attempt.parameters["cancel_url"]) == wanted


async def _clear(database: Database, stripe: StripeApi, attempt: AnyRow, by: By) -> None:
    """Close an attempt, so that another one may be made. Raises `PaymentProcessing`."""
    await close_attempt(database, stripe, attempt, by)
    async with database.transaction() as db:
        left = await repository.find_open_attempt(db, attempt.order_id)
    if left is not None and left.id == attempt.id:
        raise PaymentProcessing("Wait for the bank: GET /v1/orders/{order_id}/payment tells how it ended.")


async def close_unpaid_order(
    database: Database,
    stripe: StripeApi,
    order_id: UUID,
    status: OrderStatus,
    by: By,
    *,
    owner: UUID | None = None,
) -> None:
    """Make a pending order `cancelled` or `expired`: first what can be paid at Stripe is closed.

    Raises `OrderNotFound`, `OrderNotCancellable` (it may have been paid just now), `PaymentProcessing`,
    `PaymentBusy`, `StripeUnavailable`.
    """
    for _ in range(_ROUNDS):
        async with database.transaction(one_at_a_time=order_id) as db:
            order = await orders.lock_order(db, order_id, owner=owner)
            if order is None:
                raise OrderNotFound
            if order.status != "pending":
                raise OrderNotCancellable(f"It is {order.status}.")
            attempt = await repository.find_open_attempt(db, order_id)
            if attempt is None and await close_order(db, order_id, status, by):
                return
        if attempt is not None:
            await _clear(database, stripe, attempt, by)
    raise PaymentBusy(_TOO_MANY)


async def cancel_order(
    database: Database, stripe: StripeApi, order_id: UUID, by: By, *, owner: UUID | None
) -> None:
    """Cancel a pending order; see `close_unpaid_order`."""
    with _for_a_request(stripe):
        await close_unpaid_order(database, stripe, order_id, "cancelled", by, owner=owner)


async def read_payment(
    database: Database, order_id: UUID, *, owner: UUID | None, viewer: UUID
) -> PaymentProgress:
    """How the payment of an order stands; the client secret is the owner's alone. Raises `OrderNotFound`."""
    row = await repository.find_payment(database, order_id, owner=owner)
    if row is None:
        raise OrderNotFound
    is_payable = row.status in ("requires_payment_method", "requires_confirmation", "requires_action")
    return PaymentProgress(
        id=row.id,
        order_id=order_id,
        status=row.status or "requires_payment_method",
        amount=None if row.amount is None else show_amount(row.amount, row.currency),
        currency=row.currency,
        stripe_payment_intent_id=row.stripe_payment_intent_id,
        client_secret=row.client_secret if is_payable and viewer == row.user_id else None,
        next_action_type=row.next_action_type,
        last_error=None if row.last_error is None else PaymentError(**row.last_error),
    )


async def list_payments(
    database: Database,
    cursors: CursorCodec,
    portion: Portion,
    *,
    owner: UUID | None,
    status: PaymentStatus | None,
    stripe_id: str | None,
) -> Response:
    """A `Page[Payment]`, newest first, of orders of `owner` only unless that is None."""
    wanted: dict[str, Any] = {"owner": owner, "status": status}
    if stripe_id is not None:
        wanted[_KINDS.get(stripe_id[:3], "intent")] = stripe_id
    return await answer_page(database, cursors, repository.PAYMENTS, portion, name="payments", wanted=wanted)


async def show_payment(database: Database, payment_id: UUID, *, owner: UUID | None) -> Response:
    """A `Payment`, of `owner` only unless that is None. Raises `PaymentNotFound`."""
    shown = await repository.find_payment_as_json(database, payment_id, owner=owner)
    if shown is None:
        raise PaymentNotFound
    return Response(shown, media_type="application/json")
