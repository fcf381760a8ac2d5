"""The statement on receipts."""

from uuid import UUID

from sqlalchemy import JSON, Text, cast, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from dbcommon.engine import Database
from dbcommon.json_rows import json_object
from dbcommon.rows import AnyRow
from payment.models import Order, OrderItem, Payment, User

_LINE = json_object(
    product_name=OrderItem.product_name,
    quantity=OrderItem.quantity,
    unit_price=cast(OrderItem.unit_price, Text),
    total_price=cast(OrderItem.total_price, Text),
)
_LINES = (
    select(func.json_agg(aggregate_order_by(_LINE, OrderItem.id), type_=JSON))
    .where(OrderItem.order_id == Order.id)
    .correlate(Order)
    .scalar_subquery()
)


async def find_order(database: Database, order_id: UUID, *, owner: UUID | None) -> AnyRow | None:
    """What the receipt of an order shows; of `owner` only unless that is None."""
    statement = (
        select(
            Order.receipt_number,
            Order.currency,
            Order.total_amount,
            Order.amount_paid,
            Order.amount_refunded,
            Order.amount_disputed,
            User.name,
            User.email,
            func.coalesce(Payment.paid_at, Order.updated_at).label("paid_at"),
            _LINES.label("lines"),
        )
        .join(User, User.id == Order.user_id)
        .outerjoin(Payment, Payment.order_id == Order.id)
        .where(Order.id == order_id)
    )
    return await database.fetch_one(statement if owner is None else statement.where(Order.user_id == owner))
