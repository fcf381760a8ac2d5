"""Every statement on `products` but those of ordering."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from payment.models import Product
from payment.rows import AnyRow, AnySelect

_COLUMNS = (
    Product.id,
    Product.sku,
    Product.name,
    Product.description,
    Product.unit_price,
    Product.currency,
    Product.active,
    Product.stock,
    (Product.stock - Product.reserved).label("available"),
    Product.created_at,
    Product.updated_at,
)


def select_product(reference: UUID | str, *, with_inactive: bool) -> AnySelect:
    """The product of an id or a SKU."""
    column = Product.id if isinstance(reference, UUID) else Product.sku
    statement = select(*_COLUMNS).where(column == reference)
    return statement if with_inactive else statement.where(Product.active)


def select_products(
    *, with_inactive: bool, active: bool | None, before: tuple[datetime, UUID] | None, rows: int
) -> AnySelect:
    """Products, newest first; `before` is the last one of the page before."""
    statement = select(*_COLUMNS)
    if not with_inactive:
        statement = statement.where(Product.active)
    if active is not None:
        statement = statement.where(Product.active == active)
    if before is not None:
        statement = statement.where(tuple_(Product.created_at, Product.id) < before)
    return statement.order_by(Product.created_at.desc(), Product.id.desc()).limit(rows)


async def insert_product(session: AsyncSession, columns: Mapping[str, Any]) -> AnyRow:
    """Raises IntegrityError (uq_products_sku) when the SKU is taken."""
    return (await session.execute(insert(Product).values(columns).returning(*_COLUMNS))).one()


async def lock_product(session: AsyncSession, reference: UUID | str) -> AnyRow | None:
    """The product, locked against changes until the transaction ends."""
    statement = select_product(reference, with_inactive=True).with_for_update()
    return (await session.execute(statement)).one_or_none()


async def update_product(session: AsyncSession, product_id: UUID, columns: Mapping[str, Any]) -> AnyRow:
    """Raises IntegrityError: uq_products_sku when the SKU is taken, ck_products_reserved_within_stock when the stock is
    below what unpaid orders hold."""
    statement = update(Product).where(Product.id == product_id).values(**columns, updated_at=func.now())
    return (await session.execute(statement.returning(*_COLUMNS))).one()


async def delete_product(session: AsyncSession, reference: UUID | str) -> bool:
    """Whether there was one. Lines of orders keep their copies of it."""
    column = Product.id if isinstance(reference, UUID) else Product.sku
    statement = delete(Product).where(column == reference).returning(Product.id)
    return (await session.execute(statement)).one_or_none() is not None
