"""Telling stories: beginning them, and how they end."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from payment.stripe_events.parsing import Event
from tests.services.payment.purchases import Purchases, figures
from tests.services.payment.settlement.stories import Story, Telling
from tests.services.payment.shop import Sql
from tests.services.payment.stripe_account import Json


def name_of(story: Story) -> str:
    """Its name."""
    return story.name


async def begin(story: Story, purchases: Purchases) -> Telling:
    buyer = purchases.buyer()
    order = await purchases.ordered("100.00", buyer=buyer, currency=story.currency)
    return Telling(purchases=purchases, order=order, buyer=buyer)


def handled(events: Iterable[Json]) -> list[Json]:
    """The events that the service does something about."""
    return [event for event in events if Event.of(json.dumps(event)).is_handled]


async def told(telling: Telling, sql: Sql) -> Any:
    """All that can be seen of an order in the end, but for ids and times."""
    order = await telling.purchases.read(telling.order, buyer=telling.buyer)
    progress = await telling.purchases.progress(telling.order, buyer=telling.buyer)
    balances = await sql.fetch(
        "SELECT account, currency, sum(amount) AS amount FROM ledger_entries WHERE order_id = $1"
        " GROUP BY account, currency HAVING sum(amount) <> 0 ORDER BY account, currency",
        UUID(order["id"]),
    )
    refunds = await telling.purchases.refunds(telling.order)
    disputes = await sql.fetch(
        "SELECT status, amount, withdrawn FROM disputes WHERE order_id = $1", UUID(order["id"])
    )
    return (
        figures(order),
        order["flag"],
        (progress["status"], progress["last_error"]),
        [tuple(row) for row in balances],
        sorted((each["status"], each["amount"]) for each in refunds),
        [tuple(row) for row in disputes],
        Counter(
            row["type"]
            for row in await sql.fetch(
                "SELECT type FROM outgoing_events WHERE order_id = $1", UUID(order["id"])
            )
        )["order.paid"],
    )


async def tell_in_order(story: Story, purchases: Purchases, sql: Sql) -> tuple[Any, int]:
    """How the story ends when each event comes at once, and how many come."""
    telling = await begin(story, purchases)
    number = 0
    for step in story.steps:
        await step(telling)
        events = handled(purchases.account.take_events())
        await purchases.catch_up(events)
        number += len(events)
    ending = await told(telling, sql)
    assert ending[0] == story.ending
    return ending, number
