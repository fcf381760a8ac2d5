"""The lines, prices and total of an order, from the catalogue. No I/O."""

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
    """A product that can be ordered. `available` is None for unlimited stock."""

    product_id: UUID
    name: str
    unit_price: Decimal
    currency: str
    available: int | None


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a basket."""

    sku: str
    quantity: int
    offer: Offer

    @property
    def total_price(self) -> Decimal:
        """The unit price times the quantity."""
        return self.offer.unit_price * self.quantity

    @property
    def is_limited(self) -> bool:
        """Whether pieces must be reserved."""
        return self.offer.available is not None


@dataclass(frozen=True, kw_only=True)
class Basket:
    """A priced order, before it is stored."""

    lines: tuple[Line, ...]
    currency: Currency
    total: Decimal

    @property
    def quantities_to_reserve(self) -> dict[UUID, int]:
        """By product, without those of unlimited stock."""
        return {line.offer.product_id: line.quantity for line in self.lines if line.is_limited}

    def shortages(self, lacking: set[UUID] | None = None) -> dict[int, int]:
        """The available pieces of the lines that ask for more, or whose product is in `lacking`, by the line's index.

        `lacking`: since the offers were read others have taken pieces, and fewer are left than the line asks for.
        """
        return {
            index: min(available, line.quantity - 1)
            for index, line in enumerate(self.lines)
            if (available := line.offer.available) is not None
            and (line.quantity > available or line.offer.product_id in (lacking or ()))
        }


def check_skus(items: Sequence[NewOrderItem]) -> None:
    """Raises `DuplicateSku`. Lines are not added up, since a second one may be a mistake of the client."""
    first: dict[str, int] = {}
    errors = {
        f"#/items/{index}/sku": f"is in line {first[item.sku]} already; send it once with the whole quantity"
        for index, item in enumerate(items)
        if first.setdefault(item.sku, index) != index
    }
    if errors:
        raise DuplicateSku(errors)


def price_basket(items: Sequence[NewOrderItem], offers: Mapping[str, Offer]) -> Basket:
    """The priced order. Raises `ProductNotForSale`, `MixedCurrencies`, `AmountTooSmall`, `AmountTooLarge`."""
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
