"""The rules of the catalogue: visibility, prices that can be charged, unique SKUs."""

import contextlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

from fastapi import Response
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.constraints import violated_constraint
from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from payment.currencies import UnknownCurrency, find_currency
from payment.money import InvalidAmount, can_be_charged, format_amount, parse_amount, show_amount
from payment.products import repository
from payment.products.errors import ProductNotFound, SkuTaken, StockReserved
from payment.products.schemas import NewProduct, Product, ProductChange
from webcommon.api.paging import CursorCodec
from webcommon.api.problems import InvalidRequest


async def create_product(db: AsyncSession, new: NewProduct) -> Product:
    """Raises `SkuTaken`, and `InvalidRequest` for a price that the currency does not have."""
    columns = new.model_dump() | {"unit_price": _parse_price(new.unit_price, currency=new.currency)}
    with _named_by_constraint():
        return _product(await repository.insert_product(db, columns))


async def change_product(db: AsyncSession, reference: UUID | str, change: ProductChange) -> Product:
    """Raises `ProductNotFound`, `SkuTaken`, `StockReserved`, and `InvalidRequest` for a price the currency does not have."""
    before = await repository.lock_product(db, reference)
    if before is None:
        raise ProductNotFound
    columns = change.model_dump(exclude_unset=True)
    if "unit_price" in columns or "currency" in columns:
        columns["unit_price"] = _changed_price(before, columns)
    if not columns:
        return _product(before)
    with _named_by_constraint():
        return _product(await repository.update_product(db, before.id, columns))


async def delete_product(db: AsyncSession, reference: UUID | str) -> None:
    """Delete a product; its order lines stay. Raises `ProductNotFound`."""
    if not await repository.delete_product(db, reference):
        raise ProductNotFound


async def read_product(database: Database, reference: UUID | str, *, as_admin: bool) -> Product:
    """Raises `ProductNotFound`, also for an inactive product unless `as_admin`."""
    row = await repository.find_product(database, reference, with_inactive=as_admin)
    if row is None:
        raise ProductNotFound
    return _product(row)


async def list_products(
    database: Database,
    cursors: CursorCodec,
    *,
    as_admin: bool,
    active: bool | None,
    limit: int,
    cursor: str | None,
) -> Response:
    """A `Page[Product]` of the catalogue, newest first, without inactive products unless `as_admin`."""
    scope = f"products {as_admin} {active}"
    position = cursors.decode(scope, cursor)
    before = None if position is None else (position[0], position[1])
    page = await repository.find_page(
        database, with_inactive=as_admin, active=active, before=before, limit=limit
    )
    return cursors.json_page(page, scope=scope)


def _parse_price(text: str, *, currency: str) -> Decimal:
    try:
        return parse_amount(text, find_currency(currency))
    except (InvalidAmount, UnknownCurrency) as error:
        raise InvalidRequest(str(error), pointer="#/unit_price") from None


def _changed_price(before: AnyRow, columns: dict[str, Any]) -> Decimal:
    currency = columns.get("currency", before.currency)
    if "unit_price" in columns:
        return _parse_price(columns["unit_price"], currency=currency)
    # The amount stays, so the new currency must have it too.
    if not can_be_charged(before.unit_price, currency):
        raise InvalidRequest(
            "the current price is not an amount in this currency; send unit_price as well",
            pointer="#/currency",
        )
    return _parse_price(format_amount(before.unit_price, find_currency(currency)), currency=currency)


@contextlib.contextmanager
def _named_by_constraint() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        constraint = violated_constraint(error)
        if constraint == "uq_products_sku":
            raise SkuTaken from None
        if constraint == "ck_products_reserved_within_stock":
            raise StockReserved from None
        raise


def _product(row: AnyRow) -> Product:
    return Product(
        id=row.id,
        sku=row.sku,
        name=row.name,
        description=row.description,
        unit_price=show_amount(row.unit_price, row.currency),
        currency=row.currency,
        active=row.active,
        stock=row.stock,
        available=row.available,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
