"""The statements on `products`, without those of orders."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Uuid, bindparam, delete, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_timestamp, prepare_page
from dbcommon.rows import AnyRow, AnySelect
from payment.models import Product
from payment.money_columns import amount_as_text

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
_PRODUCT_AS_JSON = json_item(
    id=Product.id,
    sku=Product.sku,
    name=Product.name,
    description=Product.description,
    unit_price=amount_as_text(Product.unit_price, Product.currency),
    currency=Product.currency,
    active=Product.active,
    stock=Product.stock,
    available=Product.stock - Product.reserved,
    created_at=json_timestamp(Product.created_at),
    updated_at=json_timestamp(Product.updated_at),
)


async def find_product(database: Database, reference: UUID | str, *, with_inactive: bool) -> AnyRow | None:
    """The product with this id or SKU."""
    statement = _select_product(reference)
    return await database.fetch_one(statement if with_inactive else statement.where(Product.active))


def _select_product(reference: UUID | str) -> AnySelect:
    column = Product.id if isinstance(reference, UUID) else Product.sku
    return select(*_COLUMNS).where(column == reference)


async def find_page(
    database: Database,
    *,
    with_inactive: bool,
    active: bool | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> "asyncpg.Record":
    """A page of the JSON of `Product`, newest first, from the product after `before` on."""
    statement = _prepare_page(with_inactive=with_inactive, active=active, is_first=before is None)
    last = {} if before is None else {"last_time": before[0], "last_id": before[1]}
    return await database.fetch_page(statement, **last, limit=limit)


@cache
def _prepare_page(*, with_inactive: bool, active: bool | None, is_first: bool) -> DriverStatement:
    statement = select(_PRODUCT_AS_JSON, Product.created_at, Product.id)
    if not with_inactive:
        statement = statement.where(Product.active)
    if active is not None:
        statement = statement.where(Product.active if active else ~Product.active)
    if not is_first:
        last = bindparam("last_time", type_=Product.created_at.type), bindparam("last_id", type_=Uuid())
        statement = statement.where(tuple_(Product.created_at, Product.id) < tuple_(*last))
    return prepare_page(statement.order_by(Product.created_at.desc(), Product.id.desc()))


async def insert_product(db: AsyncSession, columns: Mapping[str, Any]) -> AnyRow:
    """Raises IntegrityError (uq_products_sku) when the SKU is taken."""
    return (await db.execute(insert(Product).values(columns).returning(*_COLUMNS))).one()


async def lock_product(db: AsyncSession, reference: UUID | str) -> AnyRow | None:
    """The product, locked against changes until the transaction ends."""
    statement = _select_product(reference).with_for_update()
    return (await db.execute(statement)).one_or_none()


async def update_product(db: AsyncSession, product_id: UUID, columns: Mapping[str, Any]) -> AnyRow:
    """Raises IntegrityError: uq_products_sku when the SKU is taken, ck_products_reserved_within_stock when the stock is
    below what unpaid orders hold."""
    statement = update(Product).where(Product.id == product_id).values(**columns, updated_at=func.now())
    return (await db.execute(statement.returning(*_COLUMNS))).one()


async def delete_product(db: AsyncSession, reference: UUID | str) -> bool:
    """Delete the product. False when there is none. Order lines keep their copies of its data."""
    column = Product.id if isinstance(reference, UUID) else Product.sku
    statement = delete(Product).where(column == reference).returning(Product.id)
    return (await db.execute(statement)).one_or_none() is not None
