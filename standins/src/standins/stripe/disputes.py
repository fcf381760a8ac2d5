"""`/v1/disputes`: chargebacks, and inquiries, which move no money."""

from standins.stripe.account import Account, Call, Json, Operation
from standins.stripe.charges import add_balance_transaction
from standins.stripe.errors import StripeError
from standins.stripe.forms import LIST_FIELDS, boolean, filled, merge_metadata, metadata, record, string
from standins.stripe.lists import list_belonging

DISPUTE_FEE = 1500
"""In minor units. It is kept even when the dispute is won."""

EVIDENCE_DAYS = 9

EVIDENCE = [
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
]

_CLOSED = ("won", "lost", "prevented", "warning_closed")


def open_dispute(
    account: Account, charge: Json, *, is_inquiry: bool = False, amount: int | None = None
) -> Json:
    """The buyer's bank disputes a charge; with an inquiry it only asks."""
    card = charge["payment_method_details"].get("card", {})
    dispute = account.add(
        "dispute",
        "du",
        {
            "amount": amount or charge["amount"],
            "balance_transactions": [],
            "charge": charge["id"],
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": dict.fromkeys(EVIDENCE) | {"enhanced_evidence": {}},
            "evidence_details": {
                "due_by": int(account.now) + EVIDENCE_DAYS * 86_400,
                "enhanced_eligibility": {},
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            "is_charge_refundable": is_inquiry,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "payment_method_details": {
                "card": {
                    "brand": card.get("brand", "visa"),
                    "case_type": "inquiry" if is_inquiry else "chargeback",
                    "network": card.get("brand", "visa"),
                    "network_reason_code": "83",
                },
                "type": "card",
            },
            "reason": "fraudulent",
            "status": "warning_needs_response" if is_inquiry else "needs_response",
        },
    )
    charge["disputed"] = True
    if is_inquiry:
        account.emit("charge.dispute.created", dispute)
        return dispute
    _move(account, dispute, -dispute["amount"], fee=DISPUTE_FEE, category="dispute")
    account.emit("charge.dispute.created", dispute)
    account.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _move(account: Account, dispute: Json, amount: int, *, fee: int, category: str) -> None:
    movement = add_balance_transaction(
        account, amount=amount, fee=fee, source=dispute, type="adjustment", reporting_category=category
    )
    dispute["balance_transactions"] = [*dispute["balance_transactions"], movement]


def decide(account: Account, dispute: Json, outcome: str) -> None:
    """Close it: `won` and `prevented` give the money back, `lost` does not; an inquiry is `warning_closed`."""
    if outcome not in _CLOSED:
        raise ValueError(f"{outcome} is none of {', '.join(_CLOSED)}")
    if dispute["status"] in _CLOSED:
        raise StripeError("This dispute is already closed.")
    before = {"status": dispute["status"]}
    dispute["status"] = outcome
    if outcome in ("won", "prevented") and dispute["balance_transactions"]:
        _move(account, dispute, dispute["amount"], fee=0, category="dispute_reversal")
        account.emit("charge.dispute.funds_reinstated", dispute)
    account.emit("charge.dispute.updated", dispute, before)
    account.emit("charge.dispute.closed", dispute)


def close(account: Account, call: Call) -> Json:
    """Accept it: it is lost, or an inquiry is closed."""
    dispute = account.find("dispute", call.id, param="dispute")
    decide(account, dispute, "warning_closed" if dispute["status"].startswith("warning") else "lost")
    return dispute


def update(account: Account, call: Call) -> Json:
    """Give evidence. The texts `winning_evidence` and `losing_evidence` decide it at once, as in a sandbox."""
    dispute = account.find("dispute", call.id, param="dispute")
    if dispute["status"] in _CLOSED:
        raise StripeError("This dispute is already closed.")
    before = {name: dispute[name] for name in ("evidence", "metadata", "status")}
    evidence = call.params.get("evidence") or {}
    dispute["metadata"] = merge_metadata(dispute["metadata"], call.params.get("metadata", {}))
    dispute["evidence"] = dispute["evidence"] | evidence
    if evidence:
        dispute["evidence_details"] = dispute["evidence_details"] | {"has_evidence": True}
    if evidence and call.params.get("submit", True):
        dispute["evidence_details"] = dispute["evidence_details"] | {"submission_count": 1}
        dispute["status"] = dispute["status"].replace("needs_response", "under_review")
    account.emit("charge.dispute.updated", dispute, before)
    outcomes = {"winning_evidence": "won", "losing_evidence": "lost"}
    outcome = outcomes.get(evidence.get("uncategorized_text") or "")
    if outcome is not None and call.params.get("submit", True):
        decide(account, dispute, outcome)
    return dispute


def retrieve(account: Account, call: Call) -> Json:
    """A dispute."""
    return account.find("dispute", call.id, param="dispute")


def list_disputes(account: Account, call: Call) -> Json:
    """Disputes, all or of a PaymentIntent or charge."""
    return list_belonging(
        account, "dispute", call.params, url="/v1/disputes", owners=("payment_intent", "charge")
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/disputes",
        run=list_disputes,
        fields=LIST_FIELDS | {"payment_intent": filled, "charge": filled},
    ),
    Operation(method="GET", path="/v1/disputes/{id}", run=retrieve),
    Operation(
        method="POST",
        path="/v1/disputes/{id}",
        run=update,
        fields={
            "evidence": record({name: string(150_000) for name in EVIDENCE}),
            "metadata": metadata,
            "submit": boolean,
        },
    ),
    Operation(method="POST", path="/v1/disputes/{id}/close", run=close),
)
