"""Orders and their lines. A trigger of the first migration keeps an order's total equal to the sum of its lines."""

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import PrimaryKey, one_of
from payment.models.base import CURRENCY_SHAPE, Model

OrderStatus = Literal["pending", "paid", "partially_refunded", "refunded", "cancelled", "expired", "disputed"]

OrderFlag = Literal["amount_mismatch", "late_payment", "second_payment"]
"""Money that the order could not take: of another amount or currency, after it was closed, or once more."""


class Order(Model):
    """An order, at the prices of the time it was placed. `expires_at` is set while it is unpaid and reserves stock.

    The four figures are kept by a trigger of the ledger: no code writes them. `flag` says what an admin has to look at.

    Its user cannot be deleted: there may be money to pay or to refund.
    """

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint(one_of("status", OrderStatus), name="status"),
        CheckConstraint("total_amount > 0", name="total_amount"),
        CheckConstraint(CURRENCY_SHAPE, name="currency"),
        CheckConstraint(one_of("flag", OrderFlag), name="flag"),
        Index("ix_orders_flag", "created_at", "id", postgresql_where=text("flag IS NOT NULL")),
        Index("ix_orders_user_id_created_at_id", "user_id", "created_at", "id"),
        Index("ix_orders_created_at_id", "created_at", "id"),
        Index("ix_orders_status_created_at_id", "status", "created_at", "id"),
        Index(
            "ix_orders_expires_at",
            "expires_at",
            postgresql_where=text("status = 'pending' AND expires_at IS NOT NULL"),
        ),
    )

    id: Mapped[PrimaryKey]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    status: Mapped[OrderStatus] = mapped_column(Text(), server_default="pending")
    total_amount: Mapped[Decimal]
    currency: Mapped[str]
    amount_paid: Mapped[Decimal] = mapped_column(server_default=text("0"))
    amount_refunded: Mapped[Decimal] = mapped_column(server_default=text("0"))
    amount_refundable: Mapped[Decimal] = mapped_column(server_default=text("0"))
    amount_disputed: Mapped[Decimal] = mapped_column(server_default=text("0"))
    receipt_number: Mapped[str | None] = mapped_column(unique=True)
    flag: Mapped[OrderFlag | None] = mapped_column(Text())
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class OrderItem(Model):
    """A line of an order. Name, SKU and price are copies, since the product may change or be deleted.

    `reserved_quantity` is this line's part of its product's `reserved`, `restocked_quantity` what refunds gave back.
    """

    __tablename__ = "order_items"
    __table_args__ = (
        CheckConstraint("quantity BETWEEN 1 AND 1000", name="quantity"),
        CheckConstraint("unit_price > 0", name="unit_price"),
        CheckConstraint("total_price = quantity * unit_price", name="total_price"),
        CheckConstraint("reserved_quantity BETWEEN 0 AND quantity", name="reserved_quantity"),
        CheckConstraint("restocked_quantity BETWEEN 0 AND quantity", name="restocked_quantity"),
    )

    id: Mapped[PrimaryKey]
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), index=True)
    product_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("products.id", ondelete="SET NULL"), index=True
    )
    sku: Mapped[str | None]
    product_name: Mapped[str]
    quantity: Mapped[int]
    unit_price: Mapped[Decimal]
    total_price: Mapped[Decimal]
    reserved_quantity: Mapped[int] = mapped_column(server_default=text("0"))
    restocked_quantity: Mapped[int] = mapped_column(server_default=text("0"))
