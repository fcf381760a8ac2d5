"""`/v1/charges` and `/v1/balance_transactions`: the money of an account, and its fees."""

from typing import Any

from standins.stripe.account import SETTLE_SECONDS, Account, Call, Json, Operation
from standins.stripe.forms import LIST_FIELDS, filled
from standins.stripe.lists import list_belonging
from standins.stripe.payment_methods import Decline

TWO_DAYS = 2 * 86_400


def add_charge(account: Account, intent: Json, method: Json, *, status: str, captured: bool) -> Json:
    """A charge for a PaymentIntent: `succeeded`, `pending` or `failed`."""
    has_succeeded = status == "succeeded"
    charge = account.add(
        "charge",
        "ch",
        {
            "amount": intent["amount"],
            "amount_captured": intent["amount"] if has_succeeded and captured else 0,
            "amount_refunded": 0,
            "application": None,
            "application_fee": None,
            "application_fee_amount": None,
            "balance_transaction": None,
            "billing_details": method["billing_details"],
            "calculated_statement_descriptor": "STAND-IN",
            "captured": has_succeeded and captured,
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "disputed": False,
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "fraud_details": {},
            "metadata": dict(intent["metadata"]),
            "on_behalf_of": None,
            "outcome": _outcome(None),
            "paid": has_succeeded,
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": _details(method),
            "receipt_email": intent["receipt_email"],
            "receipt_number": None,
            "receipt_url": f"{account.base_url}/receipts/{intent['id']}",
            "refunded": False,
            "review": None,
            "shipping": intent["shipping"],
            "source_transfer": None,
            "statement_descriptor": intent["statement_descriptor"],
            "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
            "status": status,
            "transfer_data": None,
            "transfer_group": intent["transfer_group"],
        },
    )
    intent["latest_charge"] = charge["id"]
    return charge


def fail_charge(charge: Json, decline: Decline) -> None:
    """Mark a charge as failed, for a reason."""
    charge |= {
        "status": "failed",
        "paid": False,
        "failure_code": decline.code,
        "failure_message": decline.message,
        "outcome": _outcome(decline),
    }


def _outcome(decline: Decline | None) -> Json:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": "01" if decline else None,
        "network_status": "declined_by_network" if decline else "approved_by_network",
        "reason": (decline.decline_code or decline.code) if decline else None,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "The bank did not return any further details with this decline."
        if decline
        else "Payment complete.",
        "type": "issuer_declined" if decline else "authorized",
    }


def _details(method: Json) -> Json:
    kept = {
        "card": (
            *("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4"),
            "wallet",
        ),
        "us_bank_account": (
            "account_holder_type",
            "account_type",
            "bank_name",
            "fingerprint",
            "last4",
            "routing_number",
        ),
        "sepa_debit": ("bank_code", "branch_code", "country", "fingerprint", "last4"),
    }[method["type"]]
    details = {name: method[method["type"]][name] for name in kept}
    if method["type"] == "card":
        details |= {
            "network": details["brand"],
            "mandate": None,
            "installments": None,
            "three_d_secure": None,
        }
    return {method["type"]: details, "type": method["type"]}


def add_balance_transaction(
    account: Account, *, amount: int, fee: int, source: Json, type: str, reporting_category: str | None = None
) -> Json:
    """A movement of the account's balance."""
    currency = source["currency"]
    fees: list[Any] = [
        {
            "amount": fee,
            "application": None,
            "currency": currency,
            "description": "Stripe processing fees" if type == "charge" else "Dispute fee",
            "type": "stripe_fee",
        }
    ]
    made = account.add(
        "balance_transaction",
        "txn",
        {
            "amount": amount,
            "available_on": int(account.now) + TWO_DAYS,
            "balance_type": "payments",
            "currency": currency,
            "description": source.get("description"),
            "exchange_rate": None,
            "fee": fee,
            "fee_details": fees if fee else [],
            "net": amount - fee,
            "reporting_category": reporting_category or type,
            "source": source["id"],
            "status": "pending",
            "type": type,
        },
    )
    del made["livemode"]
    return made


def fee_of(amount: int) -> int:
    """2.9 % and 30 minor units, as an account in the United States pays."""
    return (amount * 29 + 500) // 1000 + 30


def settle_later(account: Account, charge: Json) -> None:
    """The fee is known a little later: then comes `charge.updated` (capture method `automatic_async`)."""

    def settle() -> None:
        amount = charge["amount_captured"]
        movement = add_balance_transaction(
            account, amount=amount, fee=fee_of(amount), source=charge, type="charge"
        )
        charge["balance_transaction"] = movement["id"]
        account.emit("charge.updated", charge, {"balance_transaction": None})

    account.later(SETTLE_SECONDS, settle)


def retrieve(account: Account, call: Call) -> Json:
    """A charge."""
    return account.find("charge", call.id, param="id")


def list_charges(account: Account, call: Call) -> Json:
    """Charges, all or of a PaymentIntent or customer."""
    return list_belonging(
        account, "charge", call.params, url="/v1/charges", owners=("payment_intent", "customer")
    )


def retrieve_balance_transaction(account: Account, call: Call) -> Json:
    """A movement of the balance."""
    return account.find("balance_transaction", call.id, param="id")


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/charges",
        run=list_charges,
        fields=LIST_FIELDS | {"payment_intent": filled, "customer": filled},
    ),
    Operation(method="GET", path="/v1/charges/{id}", run=retrieve),
    Operation(method="GET", path="/v1/balance_transactions/{id}", run=retrieve_balance_transaction),
)
