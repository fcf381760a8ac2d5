"""`/v1/payment_intents`."""

from typing import Any

from standins.stripe import payment_methods
from standins.stripe.account import Account, Call, Json, Operation, new_id
from standins.stripe.confirmations import confirm, receive
from standins.stripe.currencies import check_amount
from standins.stripe.errors import StripeError, unexpected_state
from standins.stripe.forms import (
    LIST_FIELDS,
    SHIPPING,
    Fields,
    array,
    boolean,
    currency_code,
    email,
    filled,
    integer,
    merge_metadata,
    metadata,
    one_of,
    record,
    string,
)
from standins.stripe.lists import list_belonging

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = (
    "requires_payment_method",
    "requires_capture",
    "requires_confirmation",
    "requires_action",
    "processing",
)
TYPES = ("card", "us_bank_account", "sepa_debit")


def create(account: Account, call: Call) -> Json:
    """A new PaymentIntent, confirmed at once with `confirm=true`."""
    params = call.params
    check_amount(params["amount"], params["currency"])
    customer = account.refer("customer", params)
    method = _take_method(account, params)
    if params.get("off_session") and not params.get("confirm"):
        raise StripeError(
            "The parameter `off_session` cannot be passed when creating a PaymentIntent unless `confirm` is set to true.",
            param="off_session",
        )
    intent = add_intent(account, params, customer=customer, method=method)
    if params.get("confirm"):
        confirm(account, intent, params | ({"payment_method": method["id"]} if method else {}))
    return intent


def add_intent(account: Account, params: Json, *, customer: str | None, method: Json | None = None) -> Json:
    """A PaymentIntent that is not confirmed yet."""
    automatic, types = _choose_types(params)
    intent = account.add(
        "payment_intent",
        "pi",
        {
            "amount": params["amount"],
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "application": None,
            "application_fee_amount": None,
            "automatic_payment_methods": automatic,
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": params.get("capture_method", "automatic_async"),
            "client_secret": None,
            "confirmation_method": params.get("confirmation_method", "automatic"),
            "currency": params["currency"],
            "customer": customer,
            "customer_account": None,
            "description": params.get("description"),
            "excluded_payment_method_types": None,
            "last_payment_error": None,
            "latest_charge": None,
            "metadata": merge_metadata({}, params.get("metadata", {})),
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": method and method["id"],
            "payment_method_configuration_details": None,
            "payment_method_options": {},
            "payment_method_types": types,
            "processing": None,
            "receipt_email": params.get("receipt_email"),
            "review": None,
            "setup_future_usage": params.get("setup_future_usage"),
            "shipping": params.get("shipping"),
            "statement_descriptor": params.get("statement_descriptor"),
            "statement_descriptor_suffix": params.get("statement_descriptor_suffix"),
            "status": "requires_confirmation" if method else "requires_payment_method",
            "transfer_data": None,
            "transfer_group": params.get("transfer_group"),
        },
    )
    intent["client_secret"] = new_id(f"{intent['id']}_secret")
    account.emit("payment_intent.created", intent)
    return intent


def _choose_types(params: Json) -> tuple[Json | None, list[str]]:
    if "payment_method_types" in params:
        if (params.get("automatic_payment_methods") or {}).get("enabled"):
            raise StripeError(
                "You may only specify one of these parameters: automatic_payment_methods, payment_method_types.",
                param="payment_method_types",
            )
        return None, params["payment_method_types"]
    automatic = {"allow_redirects": "always"} | (params.get("automatic_payment_methods") or {"enabled": True})
    if not automatic.get("enabled"):
        return None, ["card"]
    return automatic, {"usd": ["card", "us_bank_account"], "eur": ["card", "sepa_debit"]}.get(
        params["currency"], ["card"]
    )


def _take_method(account: Account, params: Json) -> Json | None:
    return payment_methods.take(account, params["payment_method"]) if "payment_method" in params else None


def _find(account: Account, call: Call) -> Json:
    """The intent in the path. A publishable key needs its client secret."""
    intent = account.find("payment_intent", call.id, param="intent")
    secret = call.params.get("client_secret")
    if call.is_publishable and secret is None:
        raise StripeError(
            "Missing required param: client_secret.", code="parameter_missing", param="client_secret"
        )
    if secret is not None and secret != intent["client_secret"]:
        raise StripeError(
            "The client_secret provided does not match any associated PaymentIntent on this account.",
            code="payment_intent_invalid_parameter",
            param="client_secret",
        )
    return intent


def retrieve(account: Account, call: Call) -> Json:
    """A PaymentIntent."""
    return _find(account, call)


def update(account: Account, call: Call) -> Json:
    """Change some of its fields; amount, currency, customer and payment method only while it is open."""
    intent = _find(account, call)
    params = call.params
    for name in ("amount", "currency", "customer", "payment_method"):
        if name in params and intent["status"] not in OPEN:
            raise unexpected_state(
                f"This PaymentIntent's {name} could not be updated because it has a status of {intent['status']}. You may "
                f"only update the {name} of a PaymentIntent with one of the following statuses: {', '.join(OPEN)}.",
                intent,
            )
    if "amount" in params or "currency" in params:
        now = intent | params
        check_amount(now["amount"], now["currency"])
    account.refer("customer", params)
    method = _take_method(account, params)
    changes: dict[str, Any] = {name: value for name, value in params.items() if name in intent}
    if method is not None:
        changes |= {"payment_method": method["id"], "status": "requires_confirmation", "next_action": None}
    changes["metadata"] = merge_metadata(intent["metadata"], params.get("metadata", {}))
    intent |= changes
    return intent


def confirm_intent(account: Account, call: Call) -> Json:
    """Confirm it."""
    intent = _find(account, call)
    _check_no_session(account, intent, "confirm")
    confirm(account, intent, call.params)
    return intent


def capture(account: Account, call: Call) -> Json:
    """Take the money that was reserved, or a part of it."""
    intent = _find(account, call)
    if intent["status"] != "requires_capture":
        raise unexpected_state(
            f"This PaymentIntent could not be captured because it has a status of {intent['status']}. Only a PaymentIntent "
            "with one of the following statuses may be captured: requires_capture.",
            intent,
        )
    amount = call.params.get("amount_to_capture", intent["amount_capturable"])
    if amount > intent["amount_capturable"]:
        raise StripeError(
            "The amount_to_capture is greater than the remaining amount_capturable.",
            code="amount_too_large",
            param="amount_to_capture",
        )
    charge = account.objects["charge"][intent["latest_charge"]]
    charge |= {"captured": True, "amount_captured": amount}
    receive(account, intent, charge, "charge.captured")
    return intent


def cancel(account: Account, call: Call) -> Json:
    """Close it. Money that was reserved is released."""
    intent = _find(account, call)
    _check_no_session(account, intent, "cancel")
    if intent["status"] not in CANCELABLE:
        raise unexpected_state(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent "
            f"with one of the following statuses may be canceled: {', '.join(CANCELABLE)}.",
            intent,
        )
    close(account, intent, call.params.get("cancellation_reason"))
    return intent


def _check_no_session(account: Account, intent: Json, verb: str) -> None:
    if intent["id"] in account.session_of:
        raise unexpected_state(
            f"You cannot {verb} this PaymentIntent because it was created by a Checkout Session. You may instead expire "
            "the Checkout Session.",
            intent,
        )


def close(account: Account, intent: Json, reason: str | None) -> None:
    """Make it `canceled`."""
    charge = account.objects.get("charge", {}).get(intent["latest_charge"])
    if charge is not None and intent["status"] == "requires_capture":
        charge |= {"refunded": True, "amount_refunded": charge["amount"]}
        account.emit("charge.refunded", charge)
    intent |= {
        "status": "canceled",
        "canceled_at": int(account.now),
        "cancellation_reason": reason,
        "amount_capturable": 0,
        "next_action": None,
    }
    account.emit("payment_intent.canceled", intent)


def list_intents(account: Account, call: Call) -> Json:
    """PaymentIntents, all or of a customer."""
    return list_belonging(
        account, "payment_intent", call.params, url="/v1/payment_intents", owners=("customer",)
    )


_WORDS = {
    "customer": filled,
    "description": string(),
    "metadata": metadata,
    "payment_method": filled,
    "receipt_email": email,
    "setup_future_usage": one_of("off_session", "on_session"),
    "shipping": SHIPPING,
    "statement_descriptor": string(22),
    "statement_descriptor_suffix": string(22),
    "transfer_group": string(),
}
_ONLINE = record({"ip_address": filled, "user_agent": filled})
_ACCEPTANCE = record(
    {"type": one_of("offline", "online"), "accepted_at": integer(), "online": _ONLINE, "offline": record({})},
    required=("type",),
)
_CONFIRMING = {
    "mandate_data": record({"customer_acceptance": _ACCEPTANCE}, required=("customer_acceptance",)),
    "error_on_requires_action": boolean,
    "off_session": boolean,
    "payment_method_options": record(
        {"card": record({"request_three_d_secure": one_of("any", "automatic")})}
    ),
    "return_url": filled,
    "use_stripe_sdk": boolean,
}
_AUTOMATIC = record({"enabled": boolean, "allow_redirects": one_of("always", "never")})

CREATE_FIELDS = (
    _WORDS
    | _CONFIRMING
    | {
        "amount": integer(1),
        "automatic_payment_methods": _AUTOMATIC,
        "capture_method": one_of("automatic", "automatic_async", "manual"),
        "confirm": boolean,
        "confirmation_method": one_of("automatic", "manual"),
        "currency": currency_code,
        "payment_method_types": array(one_of(*TYPES)),
    }
)

_PATH = "/v1/payment_intents"
_SECRET: Fields = {"client_secret": filled}

OPERATIONS = (
    Operation(method="POST", path=_PATH, run=create, fields=CREATE_FIELDS, required=("amount", "currency")),
    Operation(method="GET", path=_PATH, run=list_intents, fields=LIST_FIELDS | {"customer": filled}),
    Operation(method="GET", path=f"{_PATH}/{{id}}", run=retrieve, fields=_SECRET, is_public=True),
    Operation(
        method="POST",
        path=f"{_PATH}/{{id}}",
        run=update,
        fields=_WORDS | {"amount": integer(1), "currency": currency_code},
    ),
    Operation(
        method="POST",
        path=f"{_PATH}/{{id}}/confirm",
        run=confirm_intent,
        fields=_CONFIRMING
        | _SECRET
        | {"payment_method": filled, "receipt_email": email, "shipping": SHIPPING},
        is_public=True,
    ),
    Operation(
        method="POST", path=f"{_PATH}/{{id}}/capture", run=capture, fields={"amount_to_capture": integer(1)}
    ),
    Operation(
        method="POST",
        path=f"{_PATH}/{{id}}/cancel",
        run=cancel,
        fields={
            "cancellation_reason": one_of("abandoned", "duplicate", "fraudulent", "requested_by_customer")
        },
    ),
)
