"""Reading a receipt."""

from collections.abc import Iterator
from datetime import UTC
from decimal import Decimal
from typing import Any
from uuid import UUID

from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from payment.money import show_amount
from payment.orders.errors import OrderNotFound
from payment.receipts import repository
from payment.receipts.content import Line, Receipt, make_visible
from payment.receipts.errors import NoReceiptYet


async def read_receipt(database: Database, order_id: UUID, *, owner: UUID | None) -> Receipt:
    """The receipt of an order, of `owner` only unless that is None. Raises `OrderNotFound`, `NoReceiptYet`."""
    order = await repository.find_order(database, order_id, owner=owner)
    if order is None:
        raise OrderNotFound
    if order.receipt_number is None:
        raise NoReceiptYet
    buyer = ", ".join(part for part in (order.name, order.email) if part)
    return Receipt(
        number=order.receipt_number,
        paid_on=order.paid_at.astimezone(UTC).date().isoformat(),
        buyer=make_visible(buyer) or None,
        currency=order.currency.upper(),
        lines=[_to_line(line, order.currency) for line in order.lines],
        sums=[(label, f"{show_amount(amount, order.currency)}") for label, amount in _sums(order)],
    )


def _to_line(line: dict[str, Any], currency: str) -> Line:
    return Line(
        name=make_visible(line["product_name"]),
        quantity=str(line["quantity"]),
        unit_price=show_amount(Decimal(line["unit_price"]), currency),
        total_price=show_amount(Decimal(line["total_price"]), currency),
    )


def _sums(order: AnyRow) -> Iterator[tuple[str, Decimal]]:
    yield "Total", order.total_amount
    yield "Refunded so far", order.amount_refunded
    if order.amount_disputed:
        yield "Withdrawn by a dispute", order.amount_disputed
    # A dispute may exceed the payment, where the bank counts in another currency.
    yield "Net", max(Decimal(0), order.amount_paid - order.amount_refunded - order.amount_disputed)
