"""Bodies of the order routes."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from payment.models import OrderFlag, OrderStatus
from payment.schemas import AMOUNT_FIELD, CURRENCY_FIELD
from webcommon.api.schemas import RequestBody, ResponseBody, Text, Timestamp

LARGEST_QUANTITY = 1_000
MOST_LINES = 100

OrderedSku = Annotated[Text, StringConstraints(min_length=1, max_length=64)]


class NewOrderItem(RequestBody):
    """A line to order. Its price comes from the catalogue."""

    sku: OrderedSku = Field(examples=["tea-earl-grey-100g"])
    quantity: int = Field(strict=True, ge=1, le=LARGEST_QUANTITY, examples=[2])


class NewOrder(RequestBody):
    """An order to place: each SKU in one line, all of one currency."""

    items: list[NewOrderItem] = Field(min_length=1, max_length=MOST_LINES)


class OrderItem(ResponseBody):
    """A line, with the name and price of the time of the order."""

    id: UUID
    sku: str | None = Field(examples=["tea-earl-grey-100g"])
    product_name: str = Field(examples=["Earl Grey, 100 g"])
    quantity: int = Field(examples=[2])
    unit_price: str = AMOUNT_FIELD
    total_price: str = AMOUNT_FIELD


class Order(ResponseBody):
    """An order with its lines."""

    id: UUID
    user_id: UUID
    status: OrderStatus
    total_amount: str = AMOUNT_FIELD
    currency: str = CURRENCY_FIELD
    amount_paid: str = AMOUNT_FIELD
    amount_refunded: str = AMOUNT_FIELD
    amount_refundable: str = AMOUNT_FIELD
    amount_disputed: str = AMOUNT_FIELD
    receipt_number: str | None = Field(
        description="The number of the receipt, given when the order is paid.", examples=["2026-000041"]
    )
    flag: OrderFlag | None = Field(
        description="Money came that the order could not take: of another amount, too late, or once more."
    )
    items: list[OrderItem]
    expires_at: Timestamp | None = Field(
        description="The unpaid order reserves limited stock until then; null when it reserves none."
    )
    created_at: Timestamp
    updated_at: Timestamp
