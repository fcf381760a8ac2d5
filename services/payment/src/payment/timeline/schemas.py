"""The body of the timeline."""

from uuid import UUID

from pydantic import Field

from payment.models import Cause, Subject
from webcommon.api.schemas import ResponseBody, Timestamp


class TimelineEvent(ResponseBody):
    """A change of the status of an order, or of something that belongs to it."""

    at: Timestamp
    cause: Cause
    actor_id: UUID | None = Field(
        description="The user who caused it; customers are shown their own id only."
    )
    subject: Subject
    subject_id: str = Field(description="Its id here; that of a dispute is Stripe's.")
    from_status: str | None = Field(examples=["pending"])
    to_status: str = Field(examples=["paid"])
    amount: str | None = Field(
        description="What it is about, if it is about money: a decimal string.", examples=["40.28"]
    )
    stripe_id: str | None = Field(examples=["pi_3QK"])
    note: str | None = Field(
        description="Why. Customers are shown why a payment failed, as their bank may tell them, and nothing else.",
        examples=["insufficient_funds"],
    )
