"""`/v1/checkout/sessions`, and `/v1/payment_pages`, by which Stripe's page (and its command line) pays one."""

from typing import Any

from standins.stripe import payment_methods
from standins.stripe.account import Account, Call, Json, Operation, new_id
from standins.stripe.confirmations import confirm
from standins.stripe.currencies import check_amount
from standins.stripe.errors import StripeError
from standins.stripe.forms import (
    LIST_FIELDS,
    SHIPPING,
    Fields,
    array,
    email,
    filled,
    integer,
    merge_metadata,
    metadata,
    one_of,
    record,
    string,
)
from standins.stripe.lists import equals, list_objects
from standins.stripe.payment_intents import TYPES, add_intent, close
from standins.stripe.products import PRICE_DATA_FIELDS, add_price

SHORTEST_LIFE = 1800
LONGEST_LIFE = 86_400

_OPEN_INTENT = ("requires_payment_method", "requires_confirmation", "requires_action")


def create(account: Account, call: Call) -> Json:
    """A new session. It has no PaymentIntent until the buyer pays."""
    params = call.params
    expires_at = _read_expiry(account, params)
    customer = account.refer("customer", params)
    lines = [_line(account, each, f"line_items[{index}]") for index, each in enumerate(params["line_items"])]
    currency = lines[0]["currency"]
    if any(line["currency"] != currency for line in lines):
        raise StripeError("All line items must have the same currency.", param="line_items")
    total = sum(line["amount_total"] for line in lines)
    check_amount(total, currency, words="The Checkout Session's total amount due must add up to at least")
    session = account.add(
        "checkout.session",
        "cs_test",
        {
            "adaptive_pricing": {"enabled": False},
            "after_expiration": None,
            "allow_promotion_codes": None,
            "amount_subtotal": total,
            "amount_total": total,
            "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
            "billing_address_collection": None,
            "cancel_url": params.get("cancel_url"),
            "client_reference_id": params.get("client_reference_id"),
            "client_secret": None,
            "collected_information": None,
            "consent": None,
            "consent_collection": None,
            "currency": currency,
            "currency_conversion": None,
            "custom_fields": [],
            "custom_text": dict.fromkeys(
                ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
            ),
            "customer": customer,
            "customer_account": None,
            "customer_creation": None if customer else params.get("customer_creation", "if_required"),
            "customer_details": None,
            "customer_email": params.get("customer_email"),
            "discounts": [],
            "expires_at": expires_at,
            "invoice": None,
            "invoice_creation": None,
            "locale": params.get("locale"),
            "metadata": merge_metadata({}, params.get("metadata", {})),
            "mode": "payment",
            "origin_context": None,
            "payment_intent": None,
            "payment_link": None,
            "payment_method_collection": "if_required",
            "payment_method_configuration_details": None,
            "payment_method_options": {},
            "payment_method_types": params.get("payment_method_types", ["card"]),
            "payment_status": "unpaid",
            "permissions": None,
            "phone_number_collection": {"enabled": False},
            "recovered_from": None,
            "saved_payment_method_options": None,
            "setup_intent": None,
            "shipping_address_collection": None,
            "shipping_cost": None,
            "shipping_options": [],
            "status": "open",
            "submit_type": params.get("submit_type"),
            "subscription": None,
            "success_url": params["success_url"],
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            "ui_mode": "hosted_page",
            "wallet_options": None,
        },
    )
    session["url"] = f"{account.base_url}/c/pay/{session['id']}"
    account.checkouts[session["id"]] = {"lines": lines, "intent": params.get("payment_intent_data") or {}}
    account.later(expires_at - account.now, lambda: end(account, session))
    return session


def _read_expiry(account: Account, params: Json) -> int:
    now = int(account.now)
    expires_at: int = params.get("expires_at", now + LONGEST_LIFE)
    if expires_at < now + SHORTEST_LIFE:
        raise StripeError(
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.",
            param="expires_at",
        )
    if expires_at > now + LONGEST_LIFE:
        raise StripeError(
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.",
            param="expires_at",
        )
    return expires_at


def _line(account: Account, item: Json, at: str) -> Json:
    if ("price" in item) == ("price_data" in item):
        raise StripeError("You must specify either `price` or `price_data` for a line item.", param=at)
    if "price_data" in item:
        price = add_price(account, item["price_data"], param=f"{at}[price_data]")
    else:
        price = account.find("price", item["price"], param=f"{at}[price]", status=400)
    quantity = item.get("quantity", 1)
    amount = price["unit_amount"] * quantity
    return {
        "id": new_id("li"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": account.objects["product"][price["product"]]["name"],
        "metadata": {},
        "price": dict(price),
        "quantity": quantity,
    }


def retrieve(account: Account, call: Call) -> Json:
    """A session."""
    return account.find("checkout.session", call.id, param="session")


def list_sessions(account: Account, call: Call) -> Json:
    """Sessions, all or those that these parameters name."""
    account.refer("payment_intent", call.params)
    account.refer("customer", call.params)
    return list_objects(
        account,
        "checkout.session",
        call.params,
        url="/v1/checkout/sessions",
        is_in=equals(call.params, "payment_intent", "customer", "status"),
    )


def list_lines(account: Account, call: Call) -> Json:
    """The lines of a session."""
    account.find("checkout.session", call.id, param="session")
    url = f"/v1/checkout/sessions/{call.id}/line_items"
    return {"object": "list", "data": account.checkouts[call.id]["lines"], "has_more": False, "url": url}


def expire(account: Account, call: Call) -> Json:
    """Expire it, while it is open."""
    session = account.find("checkout.session", call.id, param="session")
    if session["status"] != "open":
        raise StripeError(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of '
            f"{session['status']}."
        )
    end(account, session)
    return session


def end(account: Account, session: Json) -> None:
    """The session expires, if it is open; what the buyer began to pay is cancelled."""
    if session["status"] != "open":
        return
    session |= {"status": "expired", "url": None}
    account.emit("checkout.session.expired", session)
    intent = account.objects.get("payment_intent", {}).get(session["payment_intent"])
    if intent is not None and intent["status"] in _OPEN_INTENT:
        close(account, intent, None)


def pay(account: Account, session: Json, method: str, *, return_url: str | None = None) -> None:
    """The buyer pays on the page. Raises `StripeError`, of status 402 for a decline."""
    if session["status"] != "open":
        raise StripeError(
            f"This Checkout Session has a status of {session['status']}.", code="checkout_not_open"
        )
    taken = payment_methods.take(account, method)
    intent = account.objects.get("payment_intent", {}).get(session["payment_intent"])
    if intent is None:
        data = account.checkouts[session["id"]]["intent"]
        fixed = {
            "amount": session["amount_total"],
            "currency": session["currency"],
            "payment_method_types": session["payment_method_types"],
        }
        intent = add_intent(account, data | fixed, customer=session["customer"])
        session["payment_intent"] = intent["id"]
        account.session_of[intent["id"]] = session
    details = taken["billing_details"]
    session["customer_details"] = {
        "address": details["address"],
        "business_name": None,
        "email": session["customer_email"] or details["email"],
        "individual_name": None,
        "name": details["name"],
        "phone": details["phone"],
        "tax_exempt": "none",
        "tax_ids": [],
    }
    confirm(
        account, intent, {"payment_method": taken["id"]} | ({"return_url": return_url} if return_url else {})
    )


def follow(account: Account, event: Json) -> None:
    """What happens to the session of the PaymentIntent that an event is about."""
    thing = event["data"]["object"]
    session = account.session_of.get(thing["id"])
    if session is not None:
        _follow_intent(account, session, event["type"])


def _follow_intent(account: Account, session: Json, type: str) -> None:
    is_open, is_unpaid = session["status"] == "open", session["payment_status"] == "unpaid"
    if is_open and type in ("payment_intent.succeeded", "payment_intent.processing"):
        status = "paid" if type == "payment_intent.succeeded" else "unpaid"
        session |= {"status": "complete", "payment_status": status, "url": None}
        account.emit("checkout.session.completed", session)
    elif session["status"] == "complete" and is_unpaid and type == "payment_intent.succeeded":
        session["payment_status"] = "paid"
        account.emit("checkout.session.async_payment_succeeded", session)
    elif session["status"] == "complete" and is_unpaid and type == "payment_intent.payment_failed":
        account.emit("checkout.session.async_payment_failed", session)


def show_page(account: Account, call: Call) -> Json:
    """The session, for Stripe's page."""
    return account.find("checkout.session", call.id, param="session")


def confirm_page(account: Account, call: Call) -> Json:
    """Pay the session, as Stripe's page does."""
    session = account.find("checkout.session", call.id, param="session")
    expected = call.params.get("expected_amount", session["amount_total"])
    if expected != session["amount_total"]:
        raise StripeError("The amount of this Checkout Session has changed.", code="checkout_amount_mismatch")
    pay(account, session, call.params["payment_method"])
    return session


_INTENT_FIELDS: Fields = {
    "description": string(),
    "metadata": metadata,
    "receipt_email": email,
    "setup_future_usage": one_of("off_session", "on_session"),
    "shipping": SHIPPING,
    "statement_descriptor": string(22),
    "statement_descriptor_suffix": string(22),
    "transfer_group": string(),
}

_LINE_FIELDS: Fields = {
    "price": filled,
    "price_data": record(PRICE_DATA_FIELDS, required=("currency",)),
    "quantity": integer(1),
}

CREATE_FIELDS: Fields = {
    "cancel_url": filled,
    "client_reference_id": string(200),
    "customer": filled,
    "customer_creation": one_of("always", "if_required"),
    "customer_email": email,
    "expires_at": integer(),
    "line_items": array(record(_LINE_FIELDS)),
    "locale": filled,
    "metadata": metadata,
    "mode": one_of("payment", "setup", "subscription"),
    "payment_intent_data": record(_INTENT_FIELDS),
    "payment_method_types": array(one_of(*TYPES)),
    "submit_type": one_of("auto", "book", "donate", "pay"),
    "success_url": filled,
}

_PATH = "/v1/checkout/sessions"
_FILTERS: dict[str, Any] = {
    "customer": filled,
    "payment_intent": filled,
    "status": one_of("complete", "expired", "open"),
}

OPERATIONS = (
    Operation(
        method="POST",
        path=_PATH,
        run=create,
        fields=CREATE_FIELDS,
        required=("mode", "line_items", "success_url"),
    ),
    Operation(method="GET", path=_PATH, run=list_sessions, fields=LIST_FIELDS | _FILTERS),
    Operation(method="GET", path=f"{_PATH}/{{id}}", run=retrieve),
    Operation(method="GET", path=f"{_PATH}/{{id}}/line_items", run=list_lines, fields=LIST_FIELDS),
    Operation(method="POST", path=f"{_PATH}/{{id}}/expire", run=expire),
    Operation(method="GET", path="/v1/payment_pages/{id}", run=show_page, is_public=True),
    Operation(
        method="POST",
        path="/v1/payment_pages/{id}/confirm",
        run=confirm_page,
        fields={"payment_method": filled, "expected_amount": integer()},
        required=("payment_method",),
        is_public=True,
    ),
)
