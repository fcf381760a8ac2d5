"""What becomes of a PaymentIntent that is confirmed (Stripe's page "How PaymentIntents and SetupIntents work")."""

from typing import Any, NoReturn

from standins.stripe import payment_methods as methods
from standins.stripe.account import BANK_SECONDS, Account, Json, new_id
from standins.stripe.charges import add_charge, fail_charge, settle_later
from standins.stripe.disputes import open_dispute
from standins.stripe.errors import StripeError, unexpected_state
from standins.stripe.payment_methods import DECLINES, Decline

BANK_DECLINE = Decline(
    code="payment_intent_payment_attempt_failed",
    message="The customer's account has insufficient funds to cover this payment.",
)
UNAUTHENTICATED = Decline(
    code="payment_intent_authentication_failure",
    message="We are unable to authenticate your payment method. Please choose a different payment method and try again.",
)

_PUBLIC = frozenset(
    [
        "id",
        "object",
        "amount",
        "amount_details",
        "automatic_payment_methods",
        "canceled_at",
        "cancellation_reason",
        "capture_method",
        "client_secret",
        "confirmation_method",
        "created",
        "currency",
        "description",
        "last_payment_error",
        "livemode",
        "next_action",
        "payment_method",
        "payment_method_configuration_details",
        "payment_method_types",
        "processing",
        "receipt_email",
        "setup_future_usage",
        "shipping",
        "source",
        "status",
    ]
)


def reduce(intent: Json) -> Json:
    """The fields of a PaymentIntent that a publishable key may see."""
    return {name: value for name, value in intent.items() if name in _PUBLIC}


def confirm(account: Account, intent: Json, params: Json) -> None:
    """Confirm it, with the payment method of `params` or its own. Raises `StripeError`, of status 402 for a decline."""
    _check_status(intent)
    method = _method_of(account, intent, params)
    _check_return_url(intent, params)
    behaviour = account.behaviours[method["id"]]
    intent |= {"payment_method": method["id"], "next_action": None, "last_payment_error": None}
    if "receipt_email" in params:
        intent["receipt_email"] = params["receipt_email"]
    if behaviour in DECLINES:
        decline(account, intent, method, DECLINES[behaviour])
    elif behaviour in (methods.THREE_D_SECURE, methods.THREE_D_SECURE_DECLINED):
        if params.get("off_session"):
            decline(account, intent, method, DECLINES["authentication_required"])
        _ask_for_authentication(account, intent, params.get("return_url"))
    elif method["type"] != "card":
        _start_debit(account, intent, method, behaviour)
    else:
        _succeed(account, intent, method)


def _check_status(intent: Json) -> None:
    status = intent["status"]
    if status == "succeeded":
        raise unexpected_state(
            "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.",
            intent,
        )
    if status not in ("requires_payment_method", "requires_confirmation", "requires_action"):
        raise unexpected_state(
            f"You cannot confirm this PaymentIntent because it has a status of {status}. Only a PaymentIntent with one "
            "of the following statuses may be confirmed: requires_confirmation, requires_action.",
            intent,
        )


def _method_of(account: Account, intent: Json, params: Json) -> Json:
    id: Any = params.get("payment_method") or intent["payment_method"]
    if id is None:
        raise unexpected_state(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a "
            "payment method or ConfirmationToken.",
            intent,
        )
    method = methods.take(account, id)
    if method["type"] not in intent["payment_method_types"]:
        raise StripeError(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent. Please attach one of "
            f"these PaymentMethod types: {', '.join(intent['payment_method_types'])}.",
            param="payment_method",
            payment_intent=intent,
        )
    return method


def _check_return_url(intent: Json, params: Json) -> None:
    automatic = intent["automatic_payment_methods"] or {}
    if automatic.get("allow_redirects") == "always" and "return_url" not in params:
        raise StripeError(
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these "
            "payment methods might redirect your customer off of your page, you must provide a `return_url`. If you "
            "don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and "
            "`automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents.",
            payment_intent=intent,
        )


def _ask_for_authentication(account: Account, intent: Json, return_url: str | None) -> None:
    page = f"{account.base_url}/_pages/three_d_secure/{intent['id']}?key={intent['client_secret']}"
    if return_url:
        action: Json = {
            "type": "redirect_to_url",
            "redirect_to_url": {"return_url": return_url, "url": page},
        }
    else:
        sdk = {"type": "three_d_secure_redirect", "source": new_id("payatt"), "stripe_js": page}
        action = {"type": "use_stripe_sdk", "use_stripe_sdk": sdk}
    intent |= {"status": "requires_action", "next_action": action}
    account.emit("payment_intent.requires_action", intent)


def authenticate(account: Account, intent: Json, *, succeeds: bool) -> None:
    """The buyer goes through 3-D Secure, or fails to. Nothing happens when the intent no longer waits for it."""
    if intent["status"] != "requires_action":
        return
    method = account.objects["payment_method"][intent["payment_method"]]
    intent["next_action"] = None
    try:
        if not succeeds:
            _fail(account, intent, method, UNAUTHENTICATED, charge=None)
        elif account.behaviours[method["id"]] == methods.THREE_D_SECURE_DECLINED:
            decline(account, intent, method, DECLINES["generic_decline"])
        else:
            _succeed(account, intent, method)
    except StripeError as error:
        if error.status != 402:
            raise


def decline(account: Account, intent: Json, method: Json, why: Decline) -> NoReturn:
    """The bank says no. Raises `StripeError` of status 402."""
    charge = add_charge(account, intent, method, status="failed", captured=False)
    fail_charge(charge, why)
    account.emit("charge.failed", charge)
    raise _fail(account, intent, method, why, charge=charge)


def _fail(account: Account, intent: Json, method: Json, why: Decline, *, charge: Json | None) -> StripeError:
    details = {
        "charge": charge and charge["id"],
        "code": why.code,
        "decline_code": why.decline_code,
        "payment_method": dict(method),
    }
    error = StripeError(
        why.message,
        status=402,
        type="card_error" if method["type"] == "card" else "invalid_request_error",
        payment_intent=intent,
        **details,
    )
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "last_payment_error": {
            name: value for name, value in error.body()["error"].items() if name != "payment_intent"
        },
    }
    account.emit("payment_intent.payment_failed", intent)
    return error


def _succeed(account: Account, intent: Json, method: Json) -> None:
    is_captured = intent["capture_method"] != "manual"
    charge = add_charge(account, intent, method, status="succeeded", captured=is_captured)
    if is_captured:
        receive(account, intent, charge, "charge.succeeded")
        return
    intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
    account.emit("charge.succeeded", charge)
    account.emit("payment_intent.amount_capturable_updated", intent)


def receive(account: Account, intent: Json, charge: Json, event: str) -> None:
    """The money of a charge has come: its event first, then the intent's, and later `charge.updated` with the fee."""
    intent |= {"status": "succeeded", "amount_capturable": 0, "amount_received": charge["amount_captured"]}
    account.emit(event, charge)
    account.emit("payment_intent.succeeded", intent)
    settle_later(account, charge)
    behaviour = account.behaviours[charge["payment_method"]]
    if behaviour in (methods.DISPUTE, methods.INQUIRY):
        open_dispute(account, charge, is_inquiry=behaviour == methods.INQUIRY)


def _start_debit(account: Account, intent: Json, method: Json, behaviour: str) -> None:
    charge = add_charge(account, intent, method, status="pending", captured=False)
    intent["status"] = "processing"
    account.emit("payment_intent.processing", intent)
    account.emit("charge.pending", charge)
    if behaviour != methods.BANK_WAITS:
        account.later(
            BANK_SECONDS, lambda: finish_debit(account, intent, succeeds=behaviour == methods.BANK_SUCCEEDS)
        )


def finish_debit(account: Account, intent: Json, *, succeeds: bool) -> None:
    """The bank has decided on a debit. Nothing happens when the intent no longer waits for it."""
    if intent["status"] != "processing":
        return
    charge = account.objects["charge"][intent["latest_charge"]]
    if succeeds:
        charge |= {
            "status": "succeeded",
            "paid": True,
            "captured": True,
            "amount_captured": charge["amount"],
        }
        receive(account, intent, charge, "charge.succeeded")
        return
    fail_charge(charge, BANK_DECLINE)
    account.emit("charge.failed", charge)
    method = account.objects["payment_method"][charge["payment_method"]]
    _fail(account, intent, method, BANK_DECLINE, charge=charge)
