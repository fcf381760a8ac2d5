"""Making and showing refunds."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from payment.currencies import Currency, find_currency
from payment.history import repository as history
from payment.history.repository import By, Change
from payment.ledger import repository as ledger
from payment.money import InvalidAmount, parse_amount, show_amount, to_minor_units
from payment.orders import repository as orders
from payment.orders.errors import OrderNotFound
from payment.refunds import repository
from payment.refunds.errors import (
    InvalidRefundAmount,
    InvalidRestock,
    OrderDisputed,
    OrderNotRefundable,
    RefundRefused,
)
from payment.refunds.schemas import NewRefund, Refund, RefundedItem, RefundList
from payment.refunds.sending import send_refund
from payment.settlement.rules import follow_refund
from payment.settlement.service import refund_parameters
from payment.stripe_api.client import StripeApi
from payment.stripe_api.errors import StripeRefused
from webcommon.api.idempotency.service import Answer, IdempotentRequest, Run, fingerprint_of, run_idempotent

_DISPUTED = "Answer the dispute at Stripe; what is left can be refunded once it is closed."


class OutcomeUnknown(Exception):
    """Stripe did not answer; the same key answers later what came of the refund."""

    def __init__(self, refund: Refund) -> None:
        super().__init__("the outcome of the refund is unknown")
        self.refund = refund


async def create_refund(
    database: Database, stripe: StripeApi, order_id: UUID, new: NewRefund, *, admin: UUID, key: str
) -> Answer:
    """The answer to a refund, the same for every request of this admin with this key and content.

    Raises `OutcomeUnknown`, `OrderNotFound`, `OrderNotRefundable`, `OrderDisputed`, `InvalidRefundAmount`, `InvalidRestock`,
    `RefundRefused`, `IdempotencyKeyBusy`, `IdempotencyKeyReused`.
    """
    request = IdempotentRequest(
        user_id=admin,
        operation="create_refund",
        key=key,
        fingerprint=fingerprint_of(new, target=str(order_id)),
    )
    by = By(cause="admin", actor_id=admin)

    async def refund(run: Run) -> Answer:
        # All runs of the request have this id, so that each continues where the last one stopped.
        refund_id = run.request_id
        async with database.transaction(one_at_a_time=order_id) as db:
            if not await repository.exists(db, refund_id):
                await _hold(db, refund_id, order_id, new, by)
        try:
            with stripe.one_bound():
                await send_refund(database, stripe, refund_id, by)
        except StripeRefused as refused:
            raise _refusal(refused) from refused
        row = await repository.find_refund(database, refund_id)
        assert row is not None  # noqa: S101 - stored above
        shown = to_refund(row, is_admin=True)
        if shown.status == "outcome_unknown":
            raise OutcomeUnknown(shown)
        return Answer(
            status_code=201, body=shown.model_dump_json(), location=f"/v1/orders/{order_id}/refunds"
        )

    return await run_idempotent(database, request, work=refund)


async def _hold(db: AsyncSession, refund_id: UUID, order_id: UUID, new: NewRefund, by: By) -> None:
    """Store a refund, and hold its amount, so that those at once never exceed what was paid."""
    order = await orders.lock_order(db, order_id)
    if order is None:
        raise OrderNotFound
    paid = await repository.find_paid(db, order_id)
    if order.status in ("pending", "cancelled", "expired") or paid is None:
        raise OrderNotRefundable(f"It is {order.status}.")
    if paid.is_disputed:
        raise OrderDisputed(_DISPUTED)
    currency = find_currency(order.currency)
    amount = _amount_of(order, new, currency)
    quantities = await _count_restock(db, order_id, new)
    await repository.insert_refund(
        db,
        {
            "id": refund_id,
            "order_id": order_id,
            "payment_id": paid.id,
            "stripe_payment_intent_id": paid.stripe_payment_intent_id,
            "stripe_charge_id": paid.stripe_charge_id,
            "amount": amount,
            "currency": order.currency,
            "reason": new.reason,
            "note": new.note,
            "cause": by.cause,
            "actor_id": by.actor_id,
            "restock": [{"sku": sku, "quantity": number} for sku, number in quantities.items()] or None,
            "parameters": refund_parameters(
                refund_id,
                order_id=order_id,
                intent_id=paid.stripe_payment_intent_id,
                minor_units=to_minor_units(amount, currency),
                reason=new.reason,
            ),
        },
    )
    books = await ledger.find_books(db, order_id)
    follow_refund(
        books,
        str(refund_id),
        "outcome_unknown",
        charge=paid.stripe_charge_id,
        amount=amount,
        currency=order.currency,
    )
    await ledger.insert_movements(db, order_id, books.new)
    made = Change(
        subject="refund",
        subject_id=str(refund_id),
        from_status=None,
        to_status="outcome_unknown",
        amount=amount,
    )
    await history.record(db, order_id, [made], by)


def _amount_of(order: AnyRow, new: NewRefund, currency: Currency) -> Decimal:
    left: Decimal = order.amount_refundable
    if left <= 0:
        raise InvalidRefundAmount({"#/amount": "nothing is left to refund"})
    if new.amount is None:
        return left
    try:
        amount = parse_amount(new.amount, currency)
    except InvalidAmount as error:
        raise InvalidRefundAmount({"#/amount": str(error)}) from error
    if amount > left:
        raise InvalidRefundAmount({"#/amount": f"{show_amount(left, order.currency)} is left to refund"})
    return amount


async def _count_restock(db: AsyncSession, order_id: UUID, new: NewRefund) -> dict[str, int]:
    quantities: dict[str, int] = {}
    for index, item in enumerate(new.restock):
        if item.sku in quantities:
            raise InvalidRestock({f"#/restock/{index}/sku": "name each SKU once"})
        quantities[item.sku] = item.quantity
    if not quantities:
        return {}
    try:
        async with db.begin_nested():
            known = await orders.count_restocked(db, order_id, quantities)
    except IntegrityError as error:
        raise InvalidRestock({"#/restock": "more pieces would come back than were sold"}) from error
    for index, item in enumerate(new.restock):
        if item.sku not in known:
            raise InvalidRestock({f"#/restock/{index}/sku": "the order has no such SKU"})
    return quantities


def _refusal(refused: StripeRefused) -> Exception:
    if refused.code == "charge_disputed":
        return OrderDisputed(_DISPUTED)
    if refused.code == "charge_already_refunded" or refused.param == "amount":
        return InvalidRefundAmount({"#/amount": refused.message})
    return RefundRefused(refused.message)


async def list_refunds(
    database: Database, order_id: UUID, *, owner: UUID | None, is_admin: bool
) -> RefundList:
    """The refunds of an order. Raises `OrderNotFound`."""
    rows = await repository.find_order_refunds(database, order_id, owner=owner)
    if rows is None:
        raise OrderNotFound
    return RefundList(items=[to_refund(row, is_admin=is_admin) for row in rows])


def to_refund(row: AnyRow, *, is_admin: bool) -> Refund:
    """A refund as it is shown; its note is for admins."""
    restock: list[dict[str, Any]] = row.restock or []
    return Refund(
        id=row.id,
        order_id=row.order_id,
        amount=show_amount(row.amount, row.currency),
        currency=row.currency,
        status=row.status,
        reason=row.reason,
        note=row.note if is_admin else None,
        restock=[RefundedItem(sku=each["sku"], quantity=each["quantity"]) for each in restock],
        cause=row.cause,
        is_automatic=row.is_automatic,
        stripe_id=row.stripe_id,
        failure_reason=row.failure_reason,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
