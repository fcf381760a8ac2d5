"""What an order comes to: lines, prices and total from the catalogue. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from payment.currencies import Currency, find_currency
from payment.money import AboveMaximum, BelowMinimum, check_chargeable
from payment.orders.errors import (
    AmountTooLarge,
    AmountTooSmall,
    DuplicateSku,
    MixedCurrencies,
    ProductNotForSale,
)
from payment.orders.schemas import NewOrderItem


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A product as it can be ordered now. `available` None: without limit."""

    product_id: UUID
    name: str
    unit_price: Decimal
    currency: str
    available: int | None


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of an order to be."""

    sku: str
    quantity: int
    offer: Offer

    @property
    def total_price(self) -> Decimal:
        """Price by quantity."""
        return self.offer.unit_price * self.quantity

    @property
    def is_limited(self) -> bool:
        """Whether pieces must be reserved."""
        return self.offer.available is not None


@dataclass(frozen=True, kw_only=True)
class Basket:
    """An order to be."""

    lines: tuple[Line, ...]
    currency: Currency
    total: Decimal

    @property
    def limited(self) -> dict[UUID, int]:
        """The pieces to reserve, by product."""
        return {line.offer.product_id: line.quantity for line in self.lines if line.is_limited}

    def shortages(self, lacking: set[UUID] | None = None) -> dict[int, int]:
        """How many can be ordered of the lines that ask for more, or that are of a product in `lacking`, by their index."""
        return {
            index: available
            for index, line in enumerate(self.lines)
            if (available := line.offer.available) is not None
            and (line.quantity > available or line.offer.product_id in (lacking or ()))
        }


def check_skus(items: Sequence[NewOrderItem]) -> None:
    """Raises `DuplicateSku`. Adding lines up would hide a mistake of whoever sends them."""
    first: dict[str, int] = {}
    errors = {
        f"#/items/{index}/sku": f"stands in line {first[item.sku]} already; write it once with the whole quantity"
        for index, item in enumerate(items)
        if first.setdefault(item.sku, index) != index
    }
    if errors:
        raise DuplicateSku(errors)


def price_basket(items: Sequence[NewOrderItem], offers: Mapping[str, Offer]) -> Basket:
    """The order that the lines come to. Raises `ProductNotForSale`, `MixedCurrencies`, `AmountTooSmall`, `AmountTooLarge`."""
    missing = {
        f"#/items/{index}/sku": "no product with this SKU is for sale"
        for index, item in enumerate(items)
        if item.sku not in offers
    }
    if missing:
        raise ProductNotForSale(missing)
    lines = tuple(Line(sku=item.sku, quantity=item.quantity, offer=offers[item.sku]) for item in items)
    currency = _one_currency(lines)
    total = sum((line.total_price for line in lines), Decimal(0))
    _check_total(total, currency)
    return Basket(lines=lines, currency=currency, total=total)


def _one_currency(lines: Sequence[Line]) -> Currency:
    code = lines[0].offer.currency
    others = {
        f"#/items/{index}/sku": f"is sold in {line.offer.currency}, the first line in {code}"
        for index, line in enumerate(lines)
        if line.offer.currency != code
    }
    if others:
        raise MixedCurrencies(others)
    return find_currency(code)


def _check_total(total: Decimal, currency: Currency) -> None:
    try:
        check_chargeable(total, currency)
    except BelowMinimum as error:
        raise AmountTooSmall({"#/items": str(error)}) from None
    except AboveMaximum as error:
        raise AmountTooLarge({"#/items": str(error)}) from None
