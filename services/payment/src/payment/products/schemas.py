"""Bodies of the product routes."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from payment.schemas import AMOUNT_FIELD, CURRENCY_FIELD, Amount, CurrencyCode, ProductName, Sku
from webcommon.api.schemas import RequestBody, ResponseBody, Text, Timestamp

LARGEST_STOCK = 2**31 - 1

Description = Annotated[Text, StringConstraints(max_length=5000)]

Stock = Annotated[
    int,
    Field(
        strict=True,
        ge=0,
        le=LARGEST_STOCK,
        examples=[250],
        description="Pieces that are not sold yet, reserved ones included; null for unlimited stock.",
    ),
]


class NewProduct(RequestBody):
    """A product to offer."""

    sku: Sku
    name: ProductName
    description: Description | None = None
    unit_price: Amount
    currency: CurrencyCode
    active: bool = Field(default=True, strict=True, description="Whether it is shown and can be ordered.")
    stock: Stock | None = None


class ProductChange(RequestBody):
    """What to change; fields left out stay. `description` and `stock` may be null."""

    # Factories, since OpenAPI would show a default as the value of a field that is left out.
    sku: Sku = Field(default_factory=str)
    name: ProductName = Field(default_factory=str)
    description: Description | None = None
    unit_price: Amount = Field(default_factory=str)
    currency: CurrencyCode = Field(default_factory=str)
    active: bool = Field(default_factory=bool, strict=True)
    stock: Stock | None = None


class Product(ResponseBody):
    """A product of the catalogue."""

    id: UUID
    sku: str = Field(examples=["tea-earl-grey-100g"])
    name: str = Field(examples=["Earl Grey, 100 g"])
    description: str | None
    unit_price: str = AMOUNT_FIELD
    currency: str = CURRENCY_FIELD
    active: bool
    stock: int | None = Field(
        examples=[250], description="Pieces that are not sold yet; null for unlimited stock."
    )
    available: int | None = Field(
        examples=[242], description="Pieces that can be ordered now: stock less what unpaid orders reserve."
    )
    created_at: Timestamp
    updated_at: Timestamp
