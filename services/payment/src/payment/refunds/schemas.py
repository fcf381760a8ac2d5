"""Bodies of the refund routes."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from payment.models import Cause, RefundReason, RefundStatus
from payment.orders.schemas import LARGEST_QUANTITY, MOST_LINES, OrderedSku
from payment.schemas import AMOUNT_FIELD, CURRENCY_FIELD
from webcommon.api.schemas import RequestBody, ResponseBody, Text, Timestamp

LONGEST_NOTE = 500

Note = Annotated[Text, StringConstraints(max_length=LONGEST_NOTE)]


class RestockedItem(RequestBody):
    """Pieces that came back, and can be sold again."""

    sku: OrderedSku = Field(examples=["tea-earl-grey-100g"])
    quantity: int = Field(strict=True, ge=1, le=LARGEST_QUANTITY, examples=[1])


class NewRefund(RequestBody):
    """A refund to make, of all that is left if no amount is named."""

    amount: Annotated[str, StringConstraints(max_length=20)] | None = Field(
        None, description="A decimal string in the order's currency.", examples=["5.00"]
    )
    reason: RefundReason | None = None
    note: Note | None = Field(None, examples=["The tin was dented."])
    restock: list[RestockedItem] = Field(default_factory=list, max_length=MOST_LINES)


class RefundedItem(ResponseBody):
    """Pieces that go back to the stock."""

    sku: str = Field(examples=["tea-earl-grey-100g"])
    quantity: int = Field(examples=[1])


class Refund(ResponseBody):
    """A refund. `outcome_unknown`: Stripe did not answer, and what came of it is being looked into."""

    id: UUID
    order_id: UUID
    amount: str = AMOUNT_FIELD
    currency: str = CURRENCY_FIELD
    status: RefundStatus
    reason: RefundReason | None
    note: str | None = Field(description="Shown to admins only.", examples=["The tin was dented."])
    restock: list[RefundedItem]
    cause: Cause
    is_automatic: bool = Field(description="Whether it gives back money that the order could not take.")
    stripe_id: str | None = Field(examples=["re_3QK"])
    failure_reason: str | None = Field(examples=["expired_or_canceled_card"])
    created_at: Timestamp
    updated_at: Timestamp


class RefundList(ResponseBody):
    """The refunds of an order, oldest first."""

    items: list[Refund]
