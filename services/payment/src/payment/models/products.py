"""The catalogue."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Index, func, text, true
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import PrimaryKey
from payment.models.base import CURRENCY_SHAPE, Model


class Product(Model):
    """A product of the catalogue.

    `stock` is null for unlimited stock. `reserved` counts the pieces of `stock` that unpaid orders hold. Its CHECK,
    `reserved <= stock`, keeps two buyers from getting the last piece.
    """

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
