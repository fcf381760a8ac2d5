"""Giving money back that an order could not take, or letting the order take it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.models import new_id
from dbcommon.rows import AnyRow
from payment.currencies import CURRENCIES
from payment.history import repository as history
from payment.history.repository import By, Change
from payment.ledger import repository as ledger
from payment.ledger.books import Books
from payment.money import show_amount, to_minor_units
from payment.orders import repository as orders
from payment.orders.service import append_order_event, close_order
from payment.refunds import repository as refunds
from payment.refunds.sending import send_refund
from payment.resolution import repository
from payment.settlement.repository import clear_flag, flag_order, update_order
from payment.settlement.rules import accept_charge, find_unallocated, follow_refund
from payment.settlement.service import refund_parameters
from payment.stripe_api.client import StripeApi
from payment.stripe_api.errors import StripeRefused
from webcommon.commands import Failure, NotFound

BY_OPERATOR = By(cause="admin")


class NotResolvable(Failure):
    """The order is not flagged, or its money cannot go that way."""


@dataclass(frozen=True, kw_only=True)
class Money:
    """What is left of a charge that no order has."""

    charge: str
    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{show_amount(self.amount, self.currency)} {self.currency} of {self.charge}"


async def accept_money(db: AsyncSession, order_id: UUID) -> list[Money]:
    """Let an unpaid order take the money that came for it, though it is another amount, or came too late: it becomes paid.
    Pieces that it still reserves are sold. Raises `NotFound`, `NotResolvable`."""
    order, books, left = await _find_money(db, order_id)
    if order.status not in ("pending", "cancelled", "expired"):
        raise NotResolvable(
            f"the order is {order.status} and takes no more money: give it back with --refund"
        )
    if not left:
        raise NotResolvable("nothing is left of the money: clear the flag with --refund")
    strange = [str(each) for each in left if each.currency != order.currency]
    if strange:
        raise NotResolvable(
            f"{', '.join(strange)} is no money in {order.currency}: give it back with --refund"
        )
    for each in left:
        accept_charge(books, each.charge, each.amount, each.currency)
    await orders.sell_stock(db, order_id)
    number = await ledger.next_receipt_number(db)
    await update_order(db, order_id, before=order.status, status="paid", receipt_number=number)
    await ledger.insert_movements(db, order_id, books.new)
    await _clear(db, order, from_status=order.status, to_status="paid", note=f"accepted: {_listed(left)}")
    await append_order_event(db, type="order.paid", order_id=order_id, change_key="paid")
    return left


async def return_money(database: Database, stripe: StripeApi, order_id: UUID) -> list[tuple[Money, str]]:
    """Refund what came for an order that could not take it; what has gone back already is left alone. An order that waits
    for money is cancelled. Gives the status of each refund.

    Raises `NotFound`, `NotResolvable`; `StripeRefused` when Stripe refuses a refund, and then the order stays flagged.
    """
    async with database.transaction() as db:
        order, books, left = await _find_money(db, order_id)
        made = [(each, await _hold(db, order, books, each)) for each in left]
        await ledger.insert_movements(db, order_id, books.new)
        # Its payment has succeeded, so that it cannot be paid any more.
        is_closed = await close_order(db, order_id, "cancelled", BY_OPERATOR)
        status = "cancelled" if is_closed else order.status
        await _clear(db, order, from_status=status, to_status=status, note=f"given back: {_listed(left)}")
    try:
        for _, refund_id in made:
            await send_refund(database, stripe, refund_id, BY_OPERATOR)
    except StripeRefused:
        async with database.transaction() as db:
            await flag_order(db, order_id, order.flag)
        raise
    rows = [(each, await refunds.find_refund(database, refund_id)) for each, refund_id in made]
    return [(each, row.status) for each, row in rows if row is not None]


async def _find_money(db: AsyncSession, order_id: UUID) -> tuple[AnyRow, Books, list[Money]]:
    """A flagged order, locked, with its books and the money that it could not take."""
    order = await orders.lock_order(db, order_id)
    if order is None:
        raise NotFound(f"there is no order {order_id}")
    if order.flag is None:
        raise NotResolvable("the order is not flagged: nothing was changed")
    books = await ledger.find_books(db, order_id)
    returned = await repository.sum_refunds(db, order_id)
    left = [
        Money(charge=charge, amount=amount - returned.get(charge, Decimal(0)), currency=currency)
        for charge, amount, currency in find_unallocated(books)
    ]
    return order, books, [each for each in left if each.amount > 0]


async def _hold(db: AsyncSession, order: AnyRow, books: Books, money: Money) -> UUID:
    refund_id = new_id()
    origin = await repository.find_origin(db, order.id, money.charge)
    currency = CURRENCIES.get(money.currency)
    if origin is None or currency is None:
        raise NotResolvable(f"{money.charge} has to be refunded in Stripe's dashboard")
    payment_id, intent_id = origin
    await refunds.insert_refund(
        db,
        {
            "id": refund_id,
            "order_id": order.id,
            "payment_id": payment_id,
            "stripe_payment_intent_id": intent_id,
            "stripe_charge_id": money.charge,
            "amount": money.amount,
            "currency": money.currency,
            "cause": BY_OPERATOR.cause,
            "note": f"resolved: {order.flag}",
            "parameters": refund_parameters(
                refund_id,
                order_id=order.id,
                intent_id=intent_id,
                minor_units=to_minor_units(money.amount, currency),
            ),
        },
    )
    follow_refund(
        books,
        str(refund_id),
        "outcome_unknown",
        charge=money.charge,
        amount=money.amount,
        currency=money.currency,
    )
    made = Change(
        subject="refund",
        subject_id=str(refund_id),
        from_status=None,
        to_status="outcome_unknown",
        amount=money.amount,
        note=order.flag,
    )
    await history.record(db, order.id, [made], BY_OPERATOR)
    return refund_id


async def _clear(db: AsyncSession, order: AnyRow, *, from_status: str, to_status: str, note: str) -> None:
    await clear_flag(db, order.id)
    change = Change(
        subject="order",
        subject_id=str(order.id),
        from_status=from_status,
        to_status=to_status,
        note=f"{order.flag}, {note}",
    )
    await history.record(db, order.id, [change], BY_OPERATOR)


def _listed(left: Sequence[Money]) -> str:
    return ", ".join(map(str, left)) or "nothing was left"
