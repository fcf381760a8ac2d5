"""Bodies of the payment routes."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from payment.models import PaymentStatus
from payment.schemas import AMOUNT_FIELD, CURRENCY_FIELD
from webcommon.api.schemas import RequestBody, ResponseBody, Text, Timestamp

Url = Annotated[Text, StringConstraints(min_length=8, max_length=2_000, pattern=r"^https?://")]


class PaymentError(ResponseBody):
    """Why the last attempt to pay failed. Reasons that would help a thief are shown as `generic_decline`."""

    code: str | None = Field(examples=["card_declined"])
    decline_code: str | None = Field(examples=["insufficient_funds"])
    message: str | None = Field(examples=["Your card has insufficient funds."])


class PaymentProgress(ResponseBody):
    """How the payment of an order stands. `status` is that of the PaymentIntent."""

    id: UUID | None = Field(description="Null while no payment was begun.")
    order_id: UUID
    status: PaymentStatus
    amount: str | None = AMOUNT_FIELD
    currency: str | None = CURRENCY_FIELD
    stripe_payment_intent_id: str | None = Field(examples=["pi_3QK"])
    client_secret: str | None = Field(
        description="With it the buyer's browser confirms the payment; only while that is possible, and only to the owner."
    )
    next_action_type: str | None = Field(
        description="What the buyer has to do next, 3-D Secure for example.", examples=["use_stripe_sdk"]
    )
    last_error: PaymentError | None


class Payment(ResponseBody):
    """The payment of an order: the latest attempt, or the one that paid. `status` is that of the PaymentIntent."""

    id: UUID
    order_id: UUID
    user_id: UUID
    status: PaymentStatus
    amount: str = AMOUNT_FIELD
    currency: str = CURRENCY_FIELD
    stripe_payment_intent_id: str | None = Field(examples=["pi_3QK"])
    stripe_charge_id: str | None = Field(examples=["ch_3QK"])
    payment_method: str | None = Field(examples=["pm_1QK"])
    next_action_type: str | None = Field(examples=["use_stripe_sdk"])
    last_error: PaymentError | None
    paid_at: Timestamp | None
    created_at: Timestamp


class PaymentToConfirm(ResponseBody):
    """A payment, and what the buyer's browser needs to confirm it."""

    payment: PaymentProgress
    client_secret: str
    publishable_key: str


class NewCheckout(RequestBody):
    """Where the buyer returns to, after paying and after leaving."""

    success_url: Url = Field(examples=["https://shop.example.com/thanks"])
    cancel_url: Url = Field(examples=["https://shop.example.com/cart"])


class Checkout(ResponseBody):
    """Where the buyer pays."""

    url: str = Field(examples=["https://checkout.stripe.com/c/pay/cs_test_a1"])
