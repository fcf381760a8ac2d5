"""The tables of `payment_db`. That an order's total is the sum of its lines is a trigger, in the first migration."""

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    Numeric,
    Text,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import CITEXT, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from dbcommon.models import PrimaryKey, new_metadata, one_of
from webcommon.accounts.provisioning.columns import UserColumns
from webcommon.api.idempotency.table import IdempotencyKeyColumns

# Which codes the payment processor takes changes over the years and is money.py's to know; the shape does not change.
CURRENCY_SHAPE = "currency ~ '^[a-z]{3}$'"

OrderStatus = Literal["pending", "paid", "partially_refunded", "refunded", "cancelled", "expired", "disputed"]

PaymentStatus = Literal[
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "succeeded",
    "canceled",
]
"""The life of a PaymentIntent, in Stripe's words and spelling."""


class Model(DeclarativeBase):
    """Base of the tables."""

    metadata = new_metadata()
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class as it is
        str: Text(),
        bytes: LargeBinary(),
        datetime: TIMESTAMP(timezone=True),
        Decimal: Numeric(18, 3),
    }


class User(Model):
    """Somebody who signed in with a token of Auth. `identity_as_of` is the expiry of the token that the row follows, so
    that an older token never undoes what a newer one said."""

    __tablename__ = "users"

    id: Mapped[PrimaryKey]
    email: Mapped[str | None] = mapped_column(CITEXT(), unique=True)
    name: Mapped[str | None]
    stripe_customer_id: Mapped[str | None] = mapped_column(unique=True)
    identity_as_of: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


USER_COLUMNS = UserColumns(
    id=User.id,
    email=User.email,
    username=User.name,
    token_expires_at=User.identity_as_of,
    username_is_unique=False,
)


class Product(Model):
    """What is for sale. `stock` NULL: without limit. `reserved`: pieces of `stock` that unpaid orders hold; that it never
    exceeds `stock`, and so neither is below zero, is what keeps the last piece from being sold twice."""

    __tablename__ = "products"
    __table_args__ = (
        CheckConstraint("char_length(sku) BETWEEN 1 AND 64", name="sku"),
        CheckConstraint("char_length(name) BETWEEN 1 AND 200", name="name"),
        CheckConstraint("unit_price > 0", name="unit_price"),
        CheckConstraint(CURRENCY_SHAPE, name="currency"),
        CheckConstraint("reserved >= 0", name="reserved"),
        CheckConstraint("reserved <= stock", name="reserved_within_stock"),
        Index("ix_products_created_at_id", "created_at", "id"),
    )

    id: Mapped[PrimaryKey]
    sku: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    description: Mapped[str | None]
    unit_price: Mapped[Decimal]
    currency: Mapped[str]
    active: Mapped[bool] = mapped_column(server_default=true())
    stock: Mapped[int | None]
    reserved: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Order(Model):
    """What somebody bought, at the prices of that moment. `expires_at` is set while it holds limited stock unpaid.

    Its user cannot be deleted: money was or may be owed for it.
    """

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint(one_of("status", OrderStatus), name="status"),
        CheckConstraint("total_amount > 0", name="total_amount"),
        CheckConstraint(CURRENCY_SHAPE, name="currency"),
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
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class OrderItem(Model):
    """A line of an order. Name, SKU and price are copies: the product may change or go. `reserved_quantity` is this
    line's part of its product's `reserved`."""

    __tablename__ = "order_items"
    __table_args__ = (
        CheckConstraint("quantity BETWEEN 1 AND 1000", name="quantity"),
        CheckConstraint("unit_price > 0", name="unit_price"),
        CheckConstraint("total_price = quantity * unit_price", name="total_price"),
        CheckConstraint("reserved_quantity BETWEEN 0 AND quantity", name="reserved_quantity"),
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


class Payment(Model):
    """The one payment of an order. Made before its intent at Stripe, hence the nullable intent."""

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint(one_of("status", PaymentStatus), name="status"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint(CURRENCY_SHAPE, name="currency"),
    )

    id: Mapped[PrimaryKey]
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id", ondelete="RESTRICT"), unique=True)
    stripe_payment_intent_id: Mapped[str | None] = mapped_column(unique=True)
    status: Mapped[PaymentStatus] = mapped_column(Text(), server_default="requires_payment_method")
    amount: Mapped[Decimal]
    currency: Mapped[str]
    payment_method: Mapped[str | None]
    paid_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class IdempotencyKey(IdempotencyKeyColumns, Model):
    """The buyers' and admins' requests that may be sent again."""

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
