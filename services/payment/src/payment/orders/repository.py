"""The statements on orders, their lines, and the stock that they reserve."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import chain
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    Integer,
    Select,
    TableValuedAlias,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_object, json_timestamp
from dbcommon.rows import AnyRow
from payment.listings.repository import Listing, text_parameter
from payment.models import Order, OrderItem, OrderStatus, Payment, PaymentAttempt, Product
from payment.money_columns import amount_as_text

# Amounts as text: a JSON number would be read as a float.
_ITEM = {
    "id": OrderItem.id,
    "sku": OrderItem.sku,
    "product_name": OrderItem.product_name,
    "quantity": OrderItem.quantity,
    "unit_price": cast(OrderItem.unit_price, Text),
    "total_price": cast(OrderItem.total_price, Text),
}
_ITEM_AS_JSON = func.json_build_object(*chain.from_iterable(_ITEM.items()))
_ITEMS = (
    select(func.json_agg(aggregate_order_by(_ITEM_AS_JSON, OrderItem.id), type_=JSON))
    .where(OrderItem.order_id == Order.id)
    .correlate(Order)
    .scalar_subquery()
    .label("items")
)
_SHOWN_ITEM = json_object(
    id=OrderItem.id,
    sku=OrderItem.sku,
    product_name=OrderItem.product_name,
    quantity=OrderItem.quantity,
    unit_price=amount_as_text(OrderItem.unit_price, Order.currency),
    total_price=amount_as_text(OrderItem.total_price, Order.currency),
)
_SHOWN_ITEMS = (
    select(
        func.coalesce(
            func.json_agg(aggregate_order_by(_SHOWN_ITEM, OrderItem.id)), literal_column("'[]'::json")
        )
    )
    .where(OrderItem.order_id == Order.id)
    .correlate(Order)
    .scalar_subquery()
)
_ORDER_AS_JSON = json_item(
    id=Order.id,
    user_id=Order.user_id,
    status=Order.status,
    total_amount=amount_as_text(Order.total_amount, Order.currency),
    currency=Order.currency,
    amount_paid=amount_as_text(Order.amount_paid, Order.currency),
    amount_refunded=amount_as_text(Order.amount_refunded, Order.currency),
    amount_refundable=amount_as_text(Order.amount_refundable, Order.currency),
    amount_disputed=amount_as_text(Order.amount_disputed, Order.currency),
    receipt_number=Order.receipt_number,
    flag=Order.flag,
    items=_SHOWN_ITEMS,
    expires_at=json_timestamp(Order.expires_at),
    created_at=json_timestamp(Order.created_at),
    updated_at=json_timestamp(Order.updated_at),
)
_COLUMNS = (
    Order.id,
    Order.user_id,
    Order.status,
    Order.total_amount,
    Order.currency,
    Order.amount_paid,
    Order.amount_refunded,
    Order.amount_refundable,
    Order.amount_disputed,
    Order.receipt_number,
    Order.flag,
    Order.expires_at,
    Order.created_at,
    Order.updated_at,
)

# A flagged order has money that an admin decides about, and keeps its pieces until then.
_IS_OVERDUE = (Order.status == "pending", Order.expires_at <= func.now(), Order.flag.is_(None))
_HAS_OPEN_ATTEMPT = exists().where(PaymentAttempt.order_id == Order.id, PaymentAttempt.closed_at.is_(None))


async def find_order(database: Database, order_id: UUID, *, owner: UUID | None) -> AnyRow | None:
    """An order with its lines; of `owner` only, unless that is None."""
    statement = select(*_COLUMNS, _ITEMS).where(Order.id == order_id)
    return await database.fetch_one(statement if owner is None else statement.where(Order.user_id == owner))


async def find_shown(db: AsyncSession, order_id: UUID) -> str:
    """The JSON of `Order`."""
    item: str = (await db.execute(select(_ORDER_AS_JSON).where(Order.id == order_id))).scalar_one()
    return item


ORDERS = Listing(
    select(_ORDER_AS_JSON, Order.created_at, Order.id),
    created_at=Order.created_at,
    id=Order.id,
    conditions={
        "owner": Order.user_id == bindparam("owner", type_=Uuid()),
        "order_id": Order.id == bindparam("order_id", type_=Uuid()),
        "status": Order.status == text_parameter("status"),
    },
)
"""The JSON of `Order`."""


async def find_products(db: AsyncSession, skus: Sequence[str]) -> Sequence[AnyRow]:
    """The products with these SKUs that are for sale."""
    statement = select(
        Product.id,
        Product.sku,
        Product.name,
        Product.unit_price,
        Product.currency,
        (Product.stock - Product.reserved).label("available"),
    ).where(Product.sku == any_(literal(skus, ARRAY(Text))), Product.active)
    return (await db.execute(statement)).all()


async def insert_order(
    db: AsyncSession, columns: Mapping[str, Any], *, reservation: timedelta | None
) -> AnyRow:
    """Store the order. It reserves stock for `reservation`; None when it reserves none."""
    expires_at = None if reservation is None else func.now() + reservation
    statement = insert(Order).values(**columns, expires_at=expires_at).returning(*_COLUMNS)
    return (await db.execute(statement)).one()


async def insert_items(db: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store the lines of an order of this transaction: its total is checked at commit."""
    await db.execute(insert(OrderItem), rows)


async def reserve_stock(db: AsyncSession, quantities: Mapping[UUID, int]) -> set[UUID]:
    """Reserve pieces and return the products that had enough. The caller rolls back when one is missing.

    The products stay locked until the transaction ends, so this comes last.
    """
    await _lock_products(db, list(quantities))
    wanted = (
        func.unnest(
            literal(list(quantities), ARRAY(Uuid)), literal(list(quantities.values()), ARRAY(Integer))
        )
        .table_valued("product_id", "quantity", name="wanted")
        .render_derived()
    )
    statement = (
        update(Product)
        .where(Product.id == wanted.c.product_id, Product.stock - Product.reserved >= wanted.c.quantity)
        .values(reserved=Product.reserved + wanted.c.quantity)
        .returning(Product.id)
        .execution_options(synchronize_session=False)
    )
    return set((await db.execute(statement)).scalars())


async def _lock_products(db: AsyncSession, product_ids: Sequence[UUID]) -> None:
    statement = select(Product.id).where(Product.id == any_(literal(product_ids, ARRAY(Uuid))))
    await db.execute(statement.order_by(Product.id).with_for_update(key_share=True))


async def lock_overdue(db: AsyncSession, *, limit: int) -> list[UUID]:
    """Overdue pending orders, locked; skips those that another sweep has locked."""
    statement = _select_overdue().order_by(Order.expires_at).limit(limit)
    locked = statement.with_for_update(key_share=True, skip_locked=True)
    return list((await db.execute(locked)).scalars())


async def lock_overdue_with_stock_of(db: AsyncSession, skus: Sequence[str], *, limit: int) -> list[UUID]:
    """Overdue pending orders that reserve these products, locked; waits for a sweep that has locked them."""
    with_stock = (
        select(OrderItem.order_id)
        .join(Product, Product.id == OrderItem.product_id)
        .where(Product.sku == any_(literal(skus, ARRAY(Text))), OrderItem.reserved_quantity > 0)
    )
    statement = _select_overdue().where(Order.id.in_(with_stock)).order_by(Order.id).limit(limit)
    return list((await db.execute(statement.with_for_update(key_share=True))).scalars())


def _select_overdue() -> Select[UUID]:
    # What can still be paid at Stripe is closed there first, which no transaction waits for.
    return select(Order.id).where(*_IS_OVERDUE, ~_HAS_OPEN_ATTEMPT)


async def expire_orders(db: AsyncSession, order_ids: Sequence[UUID]) -> None:
    """Expire pending orders that this transaction has locked."""
    statement = update(Order).where(
        Order.id == any_(literal(order_ids, ARRAY(Uuid))), Order.status == "pending"
    )
    await db.execute(
        statement.values(status="expired", updated_at=func.now()).execution_options(synchronize_session=False)
    )


async def release_stock(db: AsyncSession, order_ids: Sequence[UUID]) -> None:
    """Release the stock of orders that this transaction has locked: the products first, then the lines."""
    await _end_reservations(db, order_ids, is_sold=False)


async def sell_stock(db: AsyncSession, order_id: UUID) -> None:
    """The reserved pieces of an order that this transaction has locked are sold."""
    await _end_reservations(db, [order_id], is_sold=True)


async def _end_reservations(db: AsyncSession, order_ids: Sequence[UUID], *, is_sold: bool) -> None:
    of_orders = OrderItem.order_id == any_(literal(order_ids, ARRAY(Uuid)))
    reserved = (
        select(OrderItem.product_id, func.sum(OrderItem.reserved_quantity).label("quantity"))
        .where(of_orders, OrderItem.reserved_quantity > 0, OrderItem.product_id.is_not(None))
        .group_by(OrderItem.product_id)
    )
    product_ids = [row.product_id for row in await db.execute(reserved)]
    if not product_ids:
        return
    await _lock_products(db, product_ids)
    ended = reserved.subquery("ended")
    stock = {"stock": Product.stock - ended.c.quantity} if is_sold else {}
    await db.execute(
        update(Product)
        .where(Product.id == ended.c.product_id)
        .values(reserved=Product.reserved - ended.c.quantity, **stock)
        .execution_options(synchronize_session=False)
    )
    await db.execute(
        update(OrderItem)
        .where(of_orders, OrderItem.reserved_quantity > 0)
        .values(reserved_quantity=0)
        .execution_options(synchronize_session=False)
    )


async def count_restocked(db: AsyncSession, order_id: UUID, quantities: Mapping[str, int]) -> set[str]:
    """Count pieces of an order, which is locked, as given back, negative ones as kept; gives the SKUs that the order has.
    Raises an IntegrityError for more than was sold."""
    wanted = _unnest_quantities(quantities)
    statement = (
        update(OrderItem)
        .where(OrderItem.order_id == order_id, OrderItem.sku == wanted.c.sku)
        .values(restocked_quantity=OrderItem.restocked_quantity + wanted.c.quantity)
        .returning(OrderItem.sku)
        .execution_options(synchronize_session=False)
    )
    return {sku for sku in (await db.execute(statement)).scalars() if sku is not None}


async def return_to_stock(db: AsyncSession, order_id: UUID, quantities: Mapping[str, int]) -> None:
    """Give pieces of an order back to the stock of their products, where it is limited and the product still exists."""
    wanted = _unnest_quantities(quantities)
    returned = (
        select(OrderItem.product_id, wanted.c.quantity)
        .join(wanted, wanted.c.sku == OrderItem.sku)
        .where(OrderItem.order_id == order_id, OrderItem.product_id.is_not(None))
    )
    await _lock_products(db, [row.product_id for row in await db.execute(returned)])
    pieces = returned.subquery("pieces")
    await db.execute(
        update(Product)
        .where(Product.id == pieces.c.product_id)
        .values(stock=Product.stock + pieces.c.quantity)
        .execution_options(synchronize_session=False)
    )


def _unnest_quantities(quantities: Mapping[str, int]) -> TableValuedAlias:
    names, numbers = list(quantities), list(quantities.values())
    return (
        func.unnest(literal(names, ARRAY(Text)), literal(numbers, ARRAY(Integer)))
        .table_valued("sku", "quantity", name="wanted")
        .render_derived()
    )


async def lock_order(db: AsyncSession, order_id: UUID, *, owner: UUID | None = None) -> AnyRow | None:
    """An order, locked; of `owner` only unless that is None. What changes its money or its status comes after this lock."""
    statement = select(*_COLUMNS, (Order.expires_at <= func.clock_timestamp()).label("is_overdue")).where(
        Order.id == order_id
    )
    if owner is not None:
        statement = statement.where(Order.user_id == owner)
    return (await db.execute(statement.with_for_update(key_share=True))).one_or_none()


async def close_order(db: AsyncSession, order_id: UUID, status: OrderStatus) -> bool:
    """Make a pending order, which is locked, `cancelled` or `expired`. False while something can be paid at Stripe, or when
    it is not pending."""
    statement = (
        update(Order)
        .where(Order.id == order_id, Order.status == "pending", ~_HAS_OPEN_ATTEMPT)
        .values(status=status, updated_at=func.now())
        .returning(Order.id)
        .execution_options(synchronize_session=False)
    )
    return (await db.execute(statement)).one_or_none() is not None


async def find_overdue_with_attempts(database: Database, *, limit: int) -> list[UUID]:
    """Overdue pending orders for which something can be paid at Stripe, and no payment is on its way."""
    on_its_way = exists().where(Payment.order_id == Order.id, Payment.status == "processing")
    statement = (
        select(Order.id)
        .where(*_IS_OVERDUE, _HAS_OPEN_ATTEMPT, ~on_its_way)
        .order_by(Order.expires_at)
        .limit(limit)
    )
    return [row.id for row in await database.fetch_all(statement)]
