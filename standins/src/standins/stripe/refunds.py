"""`/v1/refunds`."""

from standins.stripe import payment_methods as methods
from standins.stripe.account import BANK_SECONDS, Account, Call, Json, Operation
from standins.stripe.charges import add_balance_transaction
from standins.stripe.currencies import show
from standins.stripe.errors import StripeError
from standins.stripe.forms import (
    LIST_FIELDS,
    email,
    filled,
    integer,
    merge_metadata,
    metadata,
    one_of,
)
from standins.stripe.lists import list_belonging


def create(account: Account, call: Call) -> Json:
    """Give money back, the whole rest if no amount is named. It may be below the minimum of a charge."""
    charge = _find_charge(account, call.params)
    amount = _amount_of(account, charge, call.params)
    behaviour = account.behaviours[charge["payment_method"]]
    status = "pending" if behaviour == methods.REFUND_PENDING else "succeeded"
    refund = account.add(
        "refund",
        "re",
        {
            "amount": amount,
            "balance_transaction": None,
            "charge": charge["id"],
            "currency": charge["currency"],
            "destination_details": {"type": charge["payment_method_details"]["type"]},
            "metadata": call.params.get("metadata", {}),
            "payment_intent": charge["payment_intent"],
            "reason": call.params.get("reason"),
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": status,
            "transfer_reversal": None,
        },
    )
    del refund["livemode"]
    if refund["destination_details"]["type"] == "card":
        refund["destination_details"]["card"] = {
            "reference_status": "pending",
            "reference_type": "acquirer_reference_number",
            "type": "refund",
        }
    refund["balance_transaction"] = add_balance_transaction(
        account, amount=-amount, fee=0, source=refund, type="refund"
    )["id"]
    _book(charge, amount)
    account.emit("refund.created", refund)
    before = {"amount_refunded": charge["amount_refunded"] - amount, "refunded": False}
    account.emit("charge.refunded", charge, before)
    if behaviour == methods.REFUND_PENDING:
        account.later(BANK_SECONDS, lambda: _succeed(account, refund))
    if behaviour == methods.REFUND_FAILS:
        account.later(BANK_SECONDS, lambda: fail(account, refund))
    return refund


def _find_charge(account: Account, params: Json) -> Json:
    if "charge" in params:
        charge = account.find("charge", params["charge"], param="charge", status=400)
        named = f"charge ({charge['id']}) has not succeeded"
    elif "payment_intent" in params:
        id = params["payment_intent"]
        intent = account.find("payment_intent", id, param="payment_intent", status=400)
        charge = account.objects.get("charge", {}).get(intent["latest_charge"], {"amount_captured": 0})
        named = f"PaymentIntent ({id}) does not have a successful charge to refund"
    else:
        raise StripeError(
            "One of the following params should be provided for this request: payment_intent or charge."
        )
    if not charge["amount_captured"]:
        raise StripeError(f"This {named}.")
    return charge


def _amount_of(account: Account, charge: Json, params: Json) -> int:
    if charge["disputed"] and not _is_refundable(account, charge):
        raise StripeError(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed"
        )
    left: int = charge["amount_captured"] - charge["amount_refunded"]
    if charge["refunded"]:
        raise StripeError(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    amount: int = params.get("amount", left)
    if amount > left:
        currency = charge["currency"]
        raise StripeError(
            f"Refund amount ({show(amount, currency)}) is greater than unrefunded amount on charge "
            f"({show(left, currency)})",
            param="amount",
        )
    return amount


def _is_refundable(account: Account, charge: Json) -> bool:
    disputes = account.objects.get("dispute", {}).values()
    return all(each["is_charge_refundable"] for each in disputes if each["charge"] == charge["id"])


def _book(charge: Json, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]


def _succeed(account: Account, refund: Json) -> None:
    if refund["status"] == "pending":
        _change(account, refund, "succeeded")


def _change(account: Account, refund: Json, status: str) -> None:
    before = {"status": refund["status"]}
    refund["status"] = status
    account.emit("refund.updated", refund, before)
    account.emit("charge.refund.updated", refund, before)


def fail(account: Account, refund: Json, *, reason: str = "lost_or_stolen_card") -> None:
    """The refund did not reach the buyer, which may be known days later: its money is back in the balance.

    Nothing happens when it has failed, or is canceled, already.
    """
    if refund["status"] in ("failed", "canceled"):
        return
    refund["failure_reason"] = reason
    _give_back(account, refund, "refund_failure")
    _change(account, refund, "failed")
    account.emit("refund.failed", refund)


def _give_back(account: Account, refund: Json, type: str) -> None:
    refund["failure_balance_transaction"] = add_balance_transaction(
        account, amount=refund["amount"], fee=0, source=refund, type=type
    )["id"]
    _book(account.objects["charge"][refund["charge"]], -refund["amount"])


def cancel(account: Account, call: Call) -> Json:
    """Take back a refund that is pending."""
    refund = account.find("refund", call.id, param="id")
    if refund["status"] != "pending":
        raise StripeError(
            "Refund cannot be canceled: only refunds that require action or are pending can be."
        )
    _give_back(account, refund, "payment_failure_refund")
    _change(account, refund, "canceled")
    return refund


def retrieve(account: Account, call: Call) -> Json:
    """A refund."""
    return account.find("refund", call.id, param="id")


def update(account: Account, call: Call) -> Json:
    """Change its metadata."""
    refund = account.find("refund", call.id, param="id")
    before = {"metadata": refund["metadata"]}
    refund["metadata"] = merge_metadata(refund["metadata"], call.params.get("metadata", {}))
    account.emit("refund.updated", refund, before)
    account.emit("charge.refund.updated", refund, before)
    return refund


def list_refunds(account: Account, call: Call) -> Json:
    """Refunds, all or of a PaymentIntent or charge."""
    return list_belonging(
        account, "refund", call.params, url="/v1/refunds", owners=("payment_intent", "charge")
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/refunds",
        run=create,
        fields={
            "amount": integer(1),
            "charge": filled,
            "instructions_email": email,
            "metadata": metadata,
            "payment_intent": filled,
            "reason": one_of("duplicate", "fraudulent", "requested_by_customer"),
        },
    ),
    Operation(
        method="GET",
        path="/v1/refunds",
        run=list_refunds,
        fields=LIST_FIELDS | {"payment_intent": filled, "charge": filled},
    ),
    Operation(method="GET", path="/v1/refunds/{id}", run=retrieve),
    Operation(method="POST", path="/v1/refunds/{id}", run=update, fields={"metadata": metadata}),
    Operation(method="POST", path="/v1/refunds/{id}/cancel", run=cancel),
)
