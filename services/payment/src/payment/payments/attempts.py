"""Attempts: making at Stripe what can be paid, exactly once, and closing it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from dbcommon.engine import Database
from dbcommon.models import new_id
from dbcommon.rows import AnyRow
from payment.history.repository import By
from payment.payments import repository
from payment.payments.customers import forget_customer
from payment.payments.errors import AmountNotChargeable
from payment.settlement.readings import METADATA_SERVICE
from payment.settlement.service import settle_attempt
from payment.stripe_api.client import CLOCKS_DIFFER, StripeApi, walk
from payment.stripe_api.errors import StripeRefused, StripeUnavailable


async def make_attempt(database: Database, stripe: StripeApi, attempt: AnyRow) -> dict[str, Any] | None:
    """What Stripe made for a stored attempt. None when the attempt is closed without, and another one may be made.

    However often it runs, in how many processes, and wherever an earlier run has ended, one thing is made. Raises
    `StripeUnavailable`, `AmountNotChargeable`.
    """
    if attempt.is_key_forgotten:
        return await _look_up_or_close(database, stripe, attempt)
    async with database.transaction() as db:
        was_sent = await repository.mark_sent(db, attempt.id)
    try:
        made = await _create(stripe, attempt)
    except StripeRefused as refused:
        # A refusal may be given before Stripe looks at the key: it says nothing of an earlier send.
        if was_sent and (made_before := await _look_up(stripe, attempt)):
            return await _store(database, stripe, attempt, made_before)
        await _take_refusal(database, attempt, refused)
        return None
    except StripeUnavailable as error:
        if not error.is_stored:
            raise
        return await _look_up_or_close(database, stripe, attempt)
    return await _store(database, stripe, attempt, made)


async def _create(stripe: StripeApi, attempt: AnyRow) -> dict[str, Any]:
    create = (
        stripe.create_payment_intent if attempt.kind == "payment_intent" else stripe.create_checkout_session
    )
    return await create(attempt.parameters, key=f"attempt-{attempt.id}")


async def _store(
    database: Database, stripe: StripeApi, attempt: AnyRow, made: Mapping[str, Any]
) -> dict[str, Any] | None:
    async with database.transaction() as db:
        is_open = await repository.store_made(db, attempt.id, made)
    if is_open:
        return dict(made)
    # A call at the same time was refused, and has closed the attempt: nobody may pay this.
    await _close(stripe, attempt, made["id"])
    return None


async def _look_up_or_close(database: Database, stripe: StripeApi, attempt: AnyRow) -> dict[str, Any] | None:
    made = await _look_up(stripe, attempt)
    if made is not None:
        return await _store(database, stripe, attempt, made)
    async with database.transaction() as db:
        await repository.close_attempt(db, attempt.id, "never_made")
    return None


async def _look_up(stripe: StripeApi, attempt: AnyRow) -> dict[str, Any] | None:
    """What Stripe has made for the attempt, found in its lists (its search lags)."""
    list_page = (
        stripe.list_payment_intents if attempt.kind == "payment_intent" else stripe.list_checkout_sessions
    )
    params: dict[str, Any] = {"customer": attempt.parameters["customer"]}
    if attempt.kind == "payment_intent":
        params["created"] = {"gte": int((attempt.created_at - CLOCKS_DIFFER).timestamp())}
    try:
        async for each in walk(list_page, params):
            if each.get("metadata", {}).get("attempt_id") == str(attempt.id):
                return each
    except StripeRefused as refused:
        if refused.code != "resource_missing":
            raise
    return None


async def _take_refusal(database: Database, attempt: AnyRow, refused: StripeRefused) -> None:
    async with database.transaction() as db:
        await repository.close_attempt(db, attempt.id, "refused")
        customer = attempt.parameters["customer"]
        is_customer = refused.code == "resource_missing" and refused.param == "customer"
        customer_id = await repository.find_customer_id(db, customer) if is_customer else None
    if refused.param == "expires_at":
        return  # a session that was to be made long ago, and now would be too short
    if customer_id is None:
        raise AmountNotChargeable(refused.message)
    await forget_customer(database, customer_id)


async def close_attempt(database: Database, stripe: StripeApi, attempt: AnyRow, by: By) -> None:
    """Close at Stripe what can be paid, if it still can, and store what has become of it.

    Afterwards it is closed, or its payment is on its way. Raises `StripeUnavailable`.
    """
    if attempt.stripe_id is None:
        try:
            made = await make_attempt(database, stripe, attempt)
        except AmountNotChargeable:
            return
        if made is None:
            return
        stripe_id = made["id"]
    else:
        stripe_id = attempt.stripe_id
    await _close(stripe, attempt, stripe_id)
    await settle_attempt(database, stripe, attempt.id, by)


async def _close(stripe: StripeApi, attempt: AnyRow, stripe_id: str) -> None:
    # With a new key each time: Stripe would repeat an old refusal of what it would do now.
    key = f"close-{attempt.id}-{new_id()}"
    try:
        if attempt.kind == "payment_intent":
            # Stripe may cancel a bank debit too, while the bank has it already.
            if (await stripe.retrieve_payment_intent(stripe_id))["status"] == "processing":
                return
            await stripe.cancel_payment_intent(stripe_id, {"cancellation_reason": "abandoned"}, key=key)
        else:
            await stripe.expire_checkout_session(stripe_id, key=key)
    except StripeRefused:
        pass  # it has ended, or is on its way: a reading says which


def intent_parameters(order: AnyRow, *, attempt_id: UUID, customer: str, minor_units: int) -> dict[str, Any]:
    """All that Stripe is sent to make the PaymentIntent of an order."""
    return {
        "amount": minor_units,
        "currency": order.currency,
        "customer": customer,
        # Without redirects a confirmation needs no URL to return to.
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "description": f"Order {order.id}",
        "metadata": _metadata(order, attempt_id),
    }


def session_parameters(
    order: AnyRow,
    *,
    attempt_id: UUID,
    customer: str,
    lines: list[dict[str, Any]],
    success_url: str,
    cancel_url: str,
    expires_at: int,
) -> dict[str, Any]:
    """All that Stripe is sent to make the Checkout session of an order. Its metadata are not those of its intent."""
    metadata = _metadata(order, attempt_id)
    return {
        "mode": "payment",
        "customer": customer,
        "line_items": lines,
        "success_url": success_url,
        "cancel_url": cancel_url,
        "expires_at": expires_at,
        "metadata": metadata,
        "payment_intent_data": {"description": f"Order {order.id}", "metadata": metadata},
    }


def _metadata(order: AnyRow, attempt_id: UUID) -> dict[str, str]:
    return {"service": METADATA_SERVICE, "order_id": str(order.id), "attempt_id": str(attempt_id)}
