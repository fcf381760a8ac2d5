"""Bodies of the routes of disputes."""

from uuid import UUID

from pydantic import Field

from payment.schemas import AMOUNT_FIELD, CURRENCY_FIELD
from webcommon.api.schemas import ResponseBody, Timestamp


class Dispute(ResponseBody):
    """A dispute, or an inquiry (`warning_…`), which takes no money. Status and reason are Stripe's words."""

    id: UUID
    stripe_id: str = Field(examples=["du_1QK"])
    order_id: UUID
    payment_id: UUID
    stripe_charge_id: str = Field(examples=["ch_3QK"])
    status: str = Field(examples=["needs_response"])
    reason: str = Field(examples=["product_not_received"])
    amount: str = AMOUNT_FIELD
    currency: str = CURRENCY_FIELD
    amount_withdrawn: str = Field(
        description="What was taken and not given back: a decimal string.", examples=["40.28"]
    )
    is_charge_refundable: bool
    evidence_due_by: Timestamp | None = Field(description="Answer at Stripe until then.")
    created_at: Timestamp
    updated_at: Timestamp
