"""The statement on disputes."""

from sqlalchemy import select

from dbcommon.json_rows import json_item, json_timestamp
from payment.listings.repository import Listing, text_parameter
from payment.models import Dispute
from payment.money_columns import amount_as_text

_ITEM = json_item(
    id=Dispute.id,
    stripe_id=Dispute.stripe_id,
    order_id=Dispute.order_id,
    payment_id=Dispute.payment_id,
    stripe_charge_id=Dispute.stripe_charge_id,
    status=Dispute.status,
    reason=Dispute.reason,
    amount=amount_as_text(Dispute.amount, Dispute.currency),
    currency=Dispute.currency,
    amount_withdrawn=amount_as_text(Dispute.withdrawn, Dispute.currency),
    is_charge_refundable=Dispute.is_charge_refundable,
    evidence_due_by=json_timestamp(Dispute.evidence_due_by),
    created_at=json_timestamp(Dispute.created_at),
    updated_at=json_timestamp(Dispute.updated_at),
)

DISPUTES = Listing(
    select(_ITEM, Dispute.created_at, Dispute.id),
    created_at=Dispute.created_at,
    id=Dispute.id,
    conditions={
        "status": Dispute.status == text_parameter("status"),
        "stripe_id": Dispute.stripe_id == text_parameter("stripe_id"),
    },
)
"""The JSON of `Dispute`."""
