"""`/v1/payment_methods`, and the test payment methods (Stripe's page "Test card numbers")."""

from dataclasses import dataclass

from standins.stripe.account import Account, Call, Json, Operation
from standins.stripe.errors import StripeError, resource_missing
from standins.stripe.forms import ADDRESS, email, filled, integer, metadata, one_of, record, string


@dataclass(frozen=True, kw_only=True)
class Decline:
    """A declined payment. `decline_code` is None for errors that have a code of their own."""

    code: str = "card_declined"
    decline_code: str | None = None
    message: str = "Your card was declined."


DECLINES = {
    "generic_decline": Decline(decline_code="generic_decline"),
    "insufficient_funds": Decline(
        decline_code="insufficient_funds", message="Your card has insufficient funds."
    ),
    "lost_card": Decline(decline_code="lost_card"),
    "stolen_card": Decline(decline_code="stolen_card"),
    "fraudulent": Decline(decline_code="fraudulent"),
    "expired_card": Decline(code="expired_card", message="Your card has expired."),
    "incorrect_cvc": Decline(code="incorrect_cvc", message="Your card's security code is incorrect."),
    "processing_error": Decline(
        code="processing_error",
        message="An error occurred while processing your card. Try again in a little bit.",
    ),
    "authentication_required": Decline(
        code="authentication_required",
        decline_code="authentication_required",
        message="Your card was declined. This transaction requires authentication.",
    ),
}

SUCCEED = "succeed"
THREE_D_SECURE = "three_d_secure"
THREE_D_SECURE_DECLINED = "three_d_secure_declined"
DISPUTE = "dispute"
INQUIRY = "inquiry"
REFUND_PENDING = "refund_pending"
REFUND_FAILS = "refund_fails"
BANK_SUCCEEDS = "bank_succeeds"
BANK_FAILS = "bank_fails"
BANK_WAITS = "bank_waits"

_CARDS = {
    "visa": (SUCCEED, "visa", "4242"),
    "visa_debit": (SUCCEED, "visa", "5556"),
    "mastercard": (SUCCEED, "mastercard", "4444"),
    "amex": (SUCCEED, "amex", "8431"),
    "bypassPending": (SUCCEED, "visa", "0077"),
    "chargeDeclined": ("generic_decline", "visa", "0002"),
    "chargeCustomerFail": ("generic_decline", "visa", "0341"),
    "chargeDeclinedInsufficientFunds": ("insufficient_funds", "visa", "9995"),
    "chargeDeclinedLostCard": ("lost_card", "visa", "9987"),
    "chargeDeclinedStolenCard": ("stolen_card", "visa", "9979"),
    "chargeDeclinedFraudulent": ("fraudulent", "visa", "0019"),
    "radarBlock": ("fraudulent", "visa", "0019"),
    "chargeDeclinedExpiredCard": ("expired_card", "visa", "0069"),
    "chargeDeclinedIncorrectCvc": ("incorrect_cvc", "visa", "0127"),
    "chargeDeclinedProcessingError": ("processing_error", "visa", "0119"),
    "threeDSecure2Required": (THREE_D_SECURE, "visa", "3220"),
    "threeDSecureRequired": (THREE_D_SECURE, "visa", "3063"),
    "authenticationRequired": (THREE_D_SECURE, "visa", "3184"),
    "threeDSecureRequiredChargeDeclined": (THREE_D_SECURE_DECLINED, "visa", "8326"),
    "createDispute": (DISPUTE, "visa", "0259"),
    "createDisputeInquiry": (INQUIRY, "visa", "1976"),
    "pendingRefund": (REFUND_PENDING, "visa", "7726"),
    "refundFail": (REFUND_FAILS, "visa", "3184"),
}

_BANKS = {"success": BANK_SUCCEEDS, "insufficientFunds": BANK_FAILS, "processing": BANK_WAITS}

_FAILING_IBANS = ("AT861904300235473202", "IT60X0542811101000000123456")

_NUMBERS = {
    "4242424242424242": "visa",
    "4000000000000002": "chargeDeclined",
    "4000000000003220": "threeDSecure2Required",
}


def _new_method(account: Account, type: str, details: Json, behaviour: str) -> Json:
    method = account.add(
        "payment_method",
        "pm",
        {
            "allow_redisplay": "unspecified",
            "billing_details": {
                "address": dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state")),
                "email": None,
                "name": None,
                "phone": None,
                "tax_id": None,
            },
            type: details,
            "customer": None,
            "customer_account": None,
            "metadata": {},
            "type": type,
        },
    )
    account.behaviours[method["id"]] = behaviour
    return method


def _new_card(account: Account, name: str) -> Json:
    behaviour, brand, last4 = _CARDS[name]
    details = {
        "brand": brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "display_brand": "american_express" if brand == "amex" else brand,
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": f"standin{brand}{last4}",
        "funding": "debit" if name.endswith("debit") else "credit",
        "generated_from": None,
        "last4": last4,
        "networks": {"available": [brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    return _new_method(account, "card", details, behaviour)


def _new_bank_account(account: Account, name: str) -> Json:
    details = {
        "account_holder_type": "individual",
        "account_type": "checking",
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "fingerprint": "standinbank6789",
        "last4": "6789",
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": "110000000",
        "status_details": {},
    }
    return _new_method(account, "us_bank_account", details, _BANKS[name])


def _new_sepa_debit(account: Account, iban: str) -> Json:
    details = {
        "bank_code": iban[4:9],
        "branch_code": "",
        "country": iban[:2],
        "fingerprint": f"standiniban{iban[-4:]}",
        "generated_from": {"charge": None, "setup_attempt": None},
        "last4": iban[-4:],
    }
    return _new_method(
        account, "sepa_debit", details, BANK_FAILS if iban in _FAILING_IBANS else BANK_SUCCEEDS
    )


def take(account: Account, id: str, *, param: str = "payment_method", status: int = 400) -> Json:
    """The payment method of an id; a test id such as `pm_card_visa` makes a new one each time. Raises `StripeError`."""
    if (name := id.removeprefix("pm_card_")) != id and name in _CARDS:
        return _new_card(account, name)
    if (name := id.removeprefix("pm_card_visa_")) != id and name in _CARDS:
        return _new_card(account, name)
    if (name := id.removeprefix("pm_usBankAccount_")) != id and name in _BANKS:
        return _new_bank_account(account, name)
    if id not in account.objects.get("payment_method", {}):
        raise StripeError(
            f"No such PaymentMethod: '{id}'", status=status, code="resource_missing", param=param
        )
    return account.objects["payment_method"][id]


def create(account: Account, call: Call) -> Json:
    """A new payment method of a token, of a test card's number, or of an IBAN."""
    if call.params["type"] == "sepa_debit":
        iban = (call.params.get("sepa_debit") or {}).get("iban")
        if not iban:
            raise StripeError(
                "Missing required param: sepa_debit[iban].",
                code="parameter_missing",
                param="sepa_debit[iban]",
            )
        return _describe(_new_sepa_debit(account, iban), call.params)
    card = call.params.get("card") or {}
    token = card.get("token", "").removeprefix("tok_")
    name = token or _NUMBERS.get(card.get("number", "").replace(" ", ""), "")
    if not name:
        raise StripeError(
            "Your card number is incorrect.", status=402, type="card_error", code="incorrect_number"
        )
    if name not in _CARDS:
        raise resource_missing("token", card["token"], param="card[token]")
    return _describe(_new_card(account, name), call.params)


def _describe(method: Json, params: Json) -> Json:
    given = params.get("billing_details") or {}
    address = method["billing_details"]["address"] | (given.get("address") or {})
    method["billing_details"] |= given | {"address": address}
    method["metadata"] = params.get("metadata", {})
    return method


def retrieve(account: Account, call: Call) -> Json:
    """A payment method."""
    return take(account, call.id, status=404)


def attach(account: Account, call: Call) -> Json:
    """Save it with a customer."""
    method = take(account, call.id, status=404)
    method["customer"] = account.refer("customer", call.params)
    account.emit("payment_method.attached", method)
    return method


_DETAILS = record({"address": ADDRESS, "email": email, "name": string(), "phone": string()})

_CARD = record(
    {"token": filled, "number": filled, "exp_month": integer(1, 12), "exp_year": integer(), "cvc": filled}
)

OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/payment_methods",
        run=create,
        fields={
            "type": one_of("card", "sepa_debit"),
            "card": _CARD,
            "sepa_debit": record({"iban": filled}),
            "billing_details": _DETAILS,
            "metadata": metadata,
        },
        required=("type",),
        is_public=True,
    ),
    Operation(method="GET", path="/v1/payment_methods/{id}", run=retrieve),
    Operation(
        method="POST",
        path="/v1/payment_methods/{id}/attach",
        run=attach,
        fields={"customer": filled},
        required=("customer",),
    ),
)
