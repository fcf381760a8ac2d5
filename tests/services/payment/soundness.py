"""What has to hold of money whatever has happened, here and at Stripe."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from payment.money import read_minor_units
from standins.stripe.payment_intents import OPEN
from tests.services.payment.shop import Sql
from tests.services.payment.stripe_account import Json, StripeAccount

_ATTEMPTS = "SELECT id, stripe_id, closed_at IS NULL AS is_open FROM payment_attempts"
_UNBALANCED = "SELECT currency FROM ledger_entries GROUP BY currency HAVING sum(amount) <> 0"
_FIGURES = """
    SELECT o.id, o.status, amount_paid - amount_refunded AS kept, amount_paid, amount_refunded, amount_disputed,
           -coalesce(sum(e.amount) FILTER (WHERE account = 'sales'), 0) AS sold,
           coalesce(sum(e.amount) FILTER (WHERE account IN ('refunds', 'chargebacks')), 0) AS returned
    FROM orders o LEFT JOIN ledger_entries e ON e.order_id = o.id GROUP BY o.id
"""


async def find_wrongs(sql: Sql, account: StripeAccount) -> list[str]:
    """Everything that is wrong once all is settled: empty when money is neither lost nor doubled, and nothing can be paid
    that is not known here as open."""
    orders = {row["id"]: row for row in await sql.fetch(_FIGURES)}
    attempts = {row["id"]: row for row in await sql.fetch(_ATTEMPTS)}
    users = Counter(each["metadata"]["user_id"] for each in account.all("customer") if "metadata" in each)
    return [
        *(f"the ledger in {row['currency']} is not balanced" for row in await sql.fetch(_UNBALANCED)),
        *(
            f"order {row['id']}: its figures are not the ledger's"
            for row in orders.values()
            if (row["amount_paid"], row["amount_refunded"]) != (row["sold"], row["returned"])
        ),
        *_wrongly_payable(account, orders, attempts),
        *(f"{each['id']} is not known here" for each in _made(account) if not _is_known(each, attempts)),
        *(
            f"order {order_id} keeps {orders[order_id]['kept']}, Stripe says {kept}"
            for order_id, kept in _kept(account).items()
            if orders[order_id]["kept"] != kept
        ),
        *(f"user {user} has {number} customers" for user, number in users.items() if number > 1),
    ]


def _wrongly_payable(
    account: StripeAccount, orders: Mapping[UUID, Any], attempts: Mapping[UUID, Any]
) -> Iterator[str]:
    seen: set[str] = set()
    for thing in _made(account):
        if thing["status"] not in (*OPEN, "open"):
            continue
        order_id = thing["metadata"]["order_id"]
        status = orders[UUID(order_id)]["status"]
        attempt = attempts.get(_attempt_id(thing))
        if attempt is None or not attempt["is_open"] or status != "pending":
            yield f"{thing['id']} can be paid, but its order is {status}, or it is not open here"
        if order_id in seen:
            yield f"order {order_id}: several things can be paid at once"
        seen.add(order_id)


def _attempt_id(thing: Json) -> UUID:
    return UUID(thing["metadata"]["attempt_id"])


def _is_known(thing: Json, attempts: Mapping[UUID, Any]) -> bool:
    """One that is open may not have learnt yet what was made for it: whoever comes next finds it by its key."""
    attempt = attempts.get(_attempt_id(thing))
    if attempt is None:
        return False
    return bool(attempt["stripe_id"] == thing["id"] or (attempt["is_open"] and attempt["stripe_id"] is None))


def _made(account: StripeAccount) -> Iterator[Json]:
    """What the service has made: sessions, and intents that are not of a session."""
    of_sessions = account.standin.account.session_of
    for intent in account.all("payment_intent"):
        if intent["id"] not in of_sessions and "order_id" in intent["metadata"]:
            yield intent
    yield from account.all("checkout.session")


def _kept(account: StripeAccount) -> dict[UUID, Decimal]:
    """What was captured and not given back, by order."""
    intents = {each["id"]: each for each in account.all("payment_intent")}
    kept: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    for charge in account.all("charge"):
        order_id = UUID(intents[charge["payment_intent"]]["metadata"]["order_id"])
        kept[order_id] += read_minor_units(charge["amount_captured"], charge["currency"])
    for refund in account.all("refund"):
        if refund["status"] in ("pending", "succeeded"):
            order_id = UUID(intents[refund["payment_intent"]]["metadata"]["order_id"])
            kept[order_id] -= read_minor_units(refund["amount"], refund["currency"])
    return kept
