"""The tables of docs/payment.md are those of the code."""

from payment.currencies import CURRENCIES, MAXIMUM_DIGITS, MORE_MAXIMUM_DIGITS
from payment.orders.schemas import LARGEST_QUANTITY, MOST_LINES
from payment.payments.service import MOST_DECLINES_AN_HOUR, MOST_OPEN_ORDERS
from payment.products.schemas import LARGEST_STOCK, NewProduct
from payment.receipts.pdf_maker import LONGEST_SECONDS, MOST_WAITING
from payment.refunds.schemas import LONGEST_NOTE
from payment.settings import Settings
from payment.stripe_events.signature import TOLERANCE_SECONDS
from payment.webhook_endpoints.addresses import LONGEST_URL
from payment.webhook_endpoints.repository import KEPT
from payment.webhook_endpoints.schemas import EVENT_TYPES
from payment.webhook_endpoints.sending import EXCERPT_CHARACTERS, RESPONSE_BYTES
from payment.webhook_endpoints.service import ROTATION_OVERLAP
from payment.webhook_endpoints.worker import FAILING_LIMIT, FIRST_PAUSE, LONGEST_PAUSE
from tests.service_pages import read_routes, read_settings, read_table
from webcommon.api.idempotency.header import HEADER_IN_OPENAPI
from webcommon.api.idempotency.service import LEASE, REPLAY_LIFETIME
from webcommon.api.paging import DEFAULT_LIMIT, MAXIMUM_LIMIT

PRODUCT = NewProduct.model_json_schema()["properties"]
KEY = HEADER_IN_OPENAPI["parameters"][0]["schema"]

LIMITS = {
    "characters of a SKU, at most": PRODUCT["sku"]["maxLength"],
    "characters of a product's name, at most": PRODUCT["name"]["maxLength"],
    "characters of a description, at most": PRODUCT["description"]["anyOf"][0]["maxLength"],
    "pieces in stock, at most": LARGEST_STOCK,
    "lines of an order, at most": MOST_LINES,
    "pieces of a line, at most": LARGEST_QUANTITY,
    "currencies": len(CURRENCIES),
    "digits of an amount in minor units, at most": MAXIMUM_DIGITS,
    **{
        f"of one in {', '.join(sorted(code for code, most in MORE_MAXIMUM_DIGITS.items() if most == digits))}": digits
        for digits in set(MORE_MAXIMUM_DIGITS.values())
    },
    "declines of a buyer within an hour, at most": MOST_DECLINES_AN_HOUR,
    "open orders of a buyer who pays, at most": MOST_OPEN_ORDERS,
    "characters of a refund's note, at most": LONGEST_NOTE,
    "difference of a webhook's time, at most, seconds": TOLERANCE_SECONDS,
    "characters of an idempotency key, at most": KEY["maxLength"],
    "stored response is repeated for, hours": int(REPLAY_LIFETIME.total_seconds()) // 3600,
    "key of a process that died answers 409 for, seconds": int(LEASE.total_seconds()),
    "characters of a webhook endpoint's URL, at most": LONGEST_URL,
    "previous secret of a webhook endpoint signs for, hours": int(ROTATION_OVERLAP.total_seconds()) // 3600,
    "first pause between attempts of a delivery, seconds": int(FIRST_PAUSE.total_seconds()),
    "longest pause between them, hours": int(LONGEST_PAUSE.total_seconds()) // 3600,
    "failures until an endpoint is disabled, days": FAILING_LIMIT.days,
    "deliveries that have ended are kept for, days": KEPT.days,
    "bytes of a webhook's response that are read": RESPONSE_BYTES,
    "characters of it that are shown": EXCERPT_CHARACTERS,
    "requests that wait for a PDF, at most": MOST_WAITING,
    "wait for a PDF, at most, seconds": int(LONGEST_SECONDS),
    "rows on a page, by default": DEFAULT_LIMIT,
    "rows on a page, at most": MAXIMUM_LIMIT,
}


def test_the_page_lists_every_route() -> None:
    assert set(read_table("payment", "route")) == read_routes("payment")


def test_the_page_has_the_settings_with_their_defaults() -> None:
    found = {name: default or "none" for name, default in read_settings(Settings).items()}
    assert read_table("payment", "setting") == found


def test_the_page_names_the_types_of_events() -> None:
    assert [name.strip("`") for name in read_table("payment", "type")] == list(EVENT_TYPES)


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    assert read_table("payment", "limit") == {name: str(value) for name, value in LIMITS.items()}
