"""Field types that several features share."""

import re
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from payment.currencies import find_currency
from payment.money import AMOUNT_PATTERN
from webcommon.api.schemas import Text

_SKU = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]*")


def read_product_reference(text: str) -> UUID | str:
    """The product that a path names: an id, or else a SKU."""
    try:
        return UUID(text)
    except ValueError:
        return text


def _check_sku(sku: str) -> str:
    if not _SKU.fullmatch(sku):
        raise ValueError("letters, digits and . _ : + - only, a letter or digit first")
    if read_product_reference(sku) != sku:
        raise ValueError("must not have the form of a UUID")
    return sku


def _check_currency(code: str) -> str:
    return find_currency(code).code


def _strip(name: str) -> str:
    # StringConstraints would strip after it checks the length.
    stripped = name.strip()
    if not stripped:
        raise ValueError("is blank")
    return stripped


Sku = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    AfterValidator(_check_sku),
    Field(examples=["tea-earl-grey-100g"], description="The shop's own code of a product; case counts."),
]

CurrencyCode = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]{3}$"),
    AfterValidator(_check_currency),
    Field(examples=["eur"], description="ISO 4217, in lower case."),
]

Amount = Annotated[
    str,
    StringConstraints(strict=True, pattern=AMOUNT_PATTERN),
    Field(examples=["40.28"], description="A decimal string with exactly the currency's decimals."),
]

ProductName = Annotated[
    Text,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(_strip),
    Field(examples=["Earl Grey, 100 g"]),
]

AMOUNT_FIELD: Any = Field(
    examples=["40.28"], description="A decimal string with exactly the currency's decimals."
)
CURRENCY_FIELD: Any = Field(examples=["eur"], description="ISO 4217, in lower case.")
"""Fields of responses. These are made from rows, and need no check."""
