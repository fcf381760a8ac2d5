"""Placing, expiring and showing orders."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.models import new_id
from dbcommon.rows import AnyRow
from payment.history import repository as history
from payment.history.repository import By, Change
from payment.listings.dependencies import Portion
from payment.listings.service import EMPTY_PAGE, answer_page
from payment.models import OrderEventType, OrderStatus
from payment.money import can_be_charged, show_amount
from payment.orders import repository
from payment.orders.errors import OrderNotFound, OutOfStock
from payment.orders.pricing import Basket, Offer, check_skus, price_basket
from payment.orders.schemas import NewOrder, Order, OrderItem
from payment.search import repository as search
from payment.webhook_endpoints.outbox import append_event
from webcommon.accounts.provisioning.service import UserProvisioner
from webcommon.api.idempotency.service import (
    Answer,
    IdempotentRequest,
    fingerprint_of,
    run_idempotent_in_transaction,
)
from webcommon.api.paging import CursorCodec
from webcommon.auth.bearer import Caller

MOST_EXPIRED_AT_ONCE = 100
"""How many orders one transaction expires at most, since it locks all of their products."""


async def place_order(
    database: Database,
    provisioner: UserProvisioner,
    new: NewOrder,
    *,
    caller: Caller,
    key: str,
    reservation: timedelta,
) -> Answer:
    """The response to the order, the same for every request of this caller with this key and content.

    Raises `IdempotencyKeyBusy`, `IdempotencyKeyReused`, `DuplicateSku`, `ProductNotForSale`, `MixedCurrencies`,
    `AmountTooSmall`, `AmountTooLarge`, `OutOfStock`.
    """
    check_skus(new.items)
    request = IdempotentRequest(
        user_id=caller.id, operation="create_order", key=key, fingerprint=fingerprint_of(new)
    )

    async def place(db: AsyncSession) -> Answer:
        order = await _place(db, new, user_id=caller.id, reservation=reservation)
        return Answer(status_code=201, body=order.model_dump_json(), location=f"/v1/orders/{order.id}")

    async def answer() -> Answer:
        return await run_idempotent_in_transaction(database, request, work=place)

    try:
        return await provisioner.run(caller, answer)
    except OutOfStock:
        # Overdue orders that no sweep has expired yet may reserve it: expire them, and try again.
        if not await expire_overdue_with_stock_of(database, [item.sku for item in new.items]):
            raise
    return await provisioner.run(caller, answer)


async def expire_overdue_with_stock_of(database: Database, skus: list[str]) -> int:
    """Expire overdue orders that reserve these products; returns their number."""
    async with database.transaction() as db:
        overdue = await repository.lock_overdue_with_stock_of(db, skus, limit=MOST_EXPIRED_AT_ONCE)
        await _expire(db, overdue)
    return len(overdue)


async def expire_overdue(database: Database) -> int:
    """Expire up to `MOST_EXPIRED_AT_ONCE` overdue orders; returns their number. Several sweeps may run at once."""
    async with database.transaction() as db:
        overdue = await repository.lock_overdue(db, limit=MOST_EXPIRED_AT_ONCE)
        await _expire(db, overdue)
    return len(overdue)


async def append_order_event(
    db: AsyncSession,
    type: OrderEventType,  # noqa: A002 - the field's name on the wire
    *,
    order_id: UUID,
    change_key: str,
) -> None:
    """Tell the webhook endpoints of a change of an order, which this transaction has made: as the order is shown now, once
    for each `type` and `change_key` (`append_event`)."""
    body = await repository.find_shown(db, order_id)
    await append_event(db, type=type, order_id=order_id, change_key=change_key, body=body)


async def read_order(database: Database, order_id: UUID, *, owner: UUID | None) -> Order:
    """An order, of `owner` only unless that is None. Raises `OrderNotFound`."""
    row = await repository.find_order(database, order_id, owner=owner)
    if row is None:
        raise OrderNotFound
    return _to_order(row, row.items)


async def list_orders(
    database: Database,
    cursors: CursorCodec,
    portion: Portion,
    *,
    owner: UUID | None,
    status: OrderStatus | None,
    q: str | None,
) -> Response:
    """A `Page[Order]`, newest first, of orders of `owner` only unless that is None. `q` finds one order, or a user's."""
    found = {} if q is None else await search.find_wanted(database, q.strip())
    if found is None:
        return cursors.json_page(EMPTY_PAGE, scope="orders")
    wanted = {"owner": owner, "status": status, **found}
    return await answer_page(database, cursors, repository.ORDERS, portion, name="orders", wanted=wanted)


async def _place(db: AsyncSession, new: NewOrder, *, user_id: UUID, reservation: timedelta) -> Order:
    rows = await repository.find_products(db, [item.sku for item in new.items])
    # A price written to the database by hand may be invalid in its currency: that product is not for sale.
    offers = {row.sku: _to_offer(row) for row in rows if can_be_charged(row.unit_price, row.currency)}
    basket = price_basket(new.items, offers)
    if shortages := basket.shortages():
        raise OutOfStock(shortages)
    order_id = new_id()
    columns = {
        "id": order_id,
        "user_id": user_id,
        "total_amount": basket.total,
        "currency": basket.currency.code,
    }
    row = await repository.insert_order(
        db, columns, reservation=reservation if basket.quantities_to_reserve else None
    )
    items = _to_rows(basket, order_id)
    await repository.insert_items(db, items)
    await _reserve(db, basket)
    by = By(cause="buyer", actor_id=user_id)
    await history.record(db, order_id, [_change(order_id, None, "pending")], by)
    return _to_order(row, items)


async def _reserve(db: AsyncSession, basket: Basket) -> None:
    quantities = basket.quantities_to_reserve
    if not quantities:
        return
    reserved = await repository.reserve_stock(db, quantities)
    if lacking := quantities.keys() - reserved:
        raise OutOfStock(basket.shortages(lacking))


async def _expire(db: AsyncSession, order_ids: list[UUID]) -> None:
    if not order_ids:
        return
    await repository.expire_orders(db, order_ids)
    await repository.release_stock(db, order_ids)
    for order_id in order_ids:
        await history.record(db, order_id, [_change(order_id, "pending", "expired")], By(cause="sweep"))


def _change(order_id: UUID, before: OrderStatus | None, status: OrderStatus) -> Change:
    return Change(subject="order", subject_id=str(order_id), from_status=before, to_status=status)


async def close_order(db: AsyncSession, order_id: UUID, status: OrderStatus, by: By) -> bool:
    """Make a pending order, which is locked, `cancelled` or `expired`, and release its stock. False while something can be
    paid at Stripe, or when it is not pending."""
    if not await repository.close_order(db, order_id, status):
        return False
    await repository.release_stock(db, [order_id])
    await history.record(db, order_id, [_change(order_id, "pending", status)], by)
    return True


def _to_offer(row: AnyRow) -> Offer:
    return Offer(
        product_id=row.id,
        name=row.name,
        unit_price=row.unit_price,
        currency=row.currency,
        available=row.available,
    )


def _to_rows(basket: Basket, order_id: UUID) -> list[dict[str, Any]]:
    # Items are shown in the order of their ids (UUIDv7), which are therefore made in the order of the lines.
    return [
        {
            "id": new_id(),
            "order_id": order_id,
            "product_id": line.offer.product_id,
            "sku": line.sku,
            "product_name": line.offer.name,
            "quantity": line.quantity,
            "unit_price": line.offer.unit_price,
            "total_price": line.total_price,
            "reserved_quantity": line.quantity if line.is_limited else 0,
        }
        for line in basket.lines
    ]


def _to_order(row: AnyRow, items: list[dict[str, Any]] | None) -> Order:
    return Order(
        id=row.id,
        user_id=row.user_id,
        status=row.status,
        total_amount=show_amount(row.total_amount, row.currency),
        currency=row.currency,
        amount_paid=show_amount(row.amount_paid, row.currency),
        amount_refunded=show_amount(row.amount_refunded, row.currency),
        amount_refundable=show_amount(row.amount_refundable, row.currency),
        amount_disputed=show_amount(row.amount_disputed, row.currency),
        receipt_number=row.receipt_number,
        flag=row.flag,
        items=[_to_item(item, currency=row.currency) for item in items or ()],
        expires_at=row.expires_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _to_item(item: Mapping[str, Any], *, currency: str) -> OrderItem:
    return OrderItem(
        id=item["id"],
        sku=item["sku"],
        product_name=item["product_name"],
        quantity=item["quantity"],
        unit_price=show_amount(Decimal(item["unit_price"]), currency),
        total_price=show_amount(Decimal(item["total_price"]), currency),
    )
