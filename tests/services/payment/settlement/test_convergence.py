"""Whatever order Stripe's events come in, and however often, an order ends in one state."""

import itertools
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from payment.ledger.books import Books
from payment.settlement.readings import Reading
from payment.settlement.rules import Stored, StoredDispute, StoredRefund, decide
from payment.settlement.service import read_attempt
from payment.stripe_events.parsing import Event
from tests.services.payment.purchases import Purchases, figures
from tests.services.payment.settlement.stories import STORIES, Story, Telling
from tests.services.payment.shop import Sql
from tests.services.payment.stripe_account import Json

every_story = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)


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


TOLD_OFTEN = frozenset(
    {
        "debit failed, then card",
        "Checkout, declined first",
        "failed refund",
        "refunded in part, the rest disputed and lost",
        "inquiry, refunded",
    }
)
"""Stories that have what the others have."""


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(story, marks=[] if story.name in TOLD_OFTEN else [pytest.mark.long], id=story.name)
        for story in STORIES
    ],
)
async def test_events_in_any_order_and_at_any_time_end_alike(purchases: Purchases, story: Story) -> None:
    chance = random.Random(story.name)  # noqa: S311 - an order that can be repeated
    telling = await begin(story, purchases)
    waiting: list[Json] = []
    for step in story.steps:
        await step(telling)
        waiting += handled(purchases.account.take_events())
        chance.shuffle(waiting)
        now, waiting = waiting[::2], waiting[1::2]
        await purchases.catch_up(now)
    await purchases.catch_up([*waiting, *waiting[:1]])
    assert figures(await purchases.read(telling.order, buyer=telling.buyer)) == story.ending


MOST_ORDERS = 40
"""Of a story; each is a purchase of its own."""


def orders_of(events: Sequence[Json]) -> Iterator[Sequence[Json]]:
    """Every order of the events with one of them repeated; of more than five, and the repeats, every hundredth."""
    longer = [[*events, again] for again in events]
    every = itertools.chain.from_iterable(itertools.permutations(each) for each in longer)
    yield from itertools.islice(every, 0, None, 1 if len(events) <= 3 else 97)


@pytest.mark.long  # hundreds of orders
@every_story
async def test_every_order_of_events_ends_alike(purchases: Purchases, sql: Sql, story: Story) -> None:
    first = await begin(story, purchases)
    for step in story.steps:
        await step(first)
    events = handled(purchases.account.take_events())
    await purchases.catch_up(events)
    ending = await told(first, sql)
    assert ending[0] == story.ending
    for ranks in itertools.islice(orders_of(range(len(events))), MOST_ORDERS):  # type: ignore[arg-type]
        telling = await begin(story, purchases)
        for step in story.steps:
            await step(telling)
        mine = handled(purchases.account.take_events())
        await purchases.catch_up([mine[rank] for rank in ranks])  # type: ignore[call-overload]
        assert await told(telling, sql) == ending


def fold(stored: Stored, reading: Reading) -> Stored:
    """What is stored after a reading."""
    stored = replace(stored, books=Books.of(stored.books.booked.values()))
    decision = decide(stored, reading)
    refunds = {each.id: each for each in stored.refunds}
    for each in decision.refunds:
        refunds[each.id] = StoredRefund(
            id=each.id, stripe_id=each.reading.id, status=each.reading.status, amount=each.reading.amount
        )
    disputes = dict(stored.disputes) | {
        each.reading.id: StoredDispute(status=each.reading.status, withdrawn=each.withdrawn)
        for each in decision.disputes
    }
    return replace(
        stored,
        status=decision.statuses[-1] if decision.statuses else stored.status,
        flag=stored.flag or decision.flag,
        payment_status=decision.payment.status if decision.payment else stored.payment_status,
        is_open=stored.is_open and decision.outcome is None,
        refunds=tuple(refunds.values()),
        disputes=disputes,
    )


def seen(stored: Stored) -> Any:
    """What a state shows."""
    balances: Counter[tuple[str, str]] = Counter()
    for movement in stored.books.booked.values():
        assert sum(movement.amounts.values()) == 0, movement
        for account, amount in movement.amounts.items():
            balances[account, movement.currency] += amount  # type: ignore[assignment]
    return (
        stored.status,
        stored.flag,
        stored.payment_status,
        stored.is_open,
        sorted((key, amount) for key, amount in balances.items() if amount),
        sorted((each.stripe_id or "", each.status) for each in stored.refunds if each.status != "failed"),
        sorted(stored.disputes.items(), key=lambda item: item[0]),
    )


@every_story
async def test_every_sequence_of_readings_ends_alike(purchases: Purchases, sql: Sql, story: Story) -> None:
    """An event only causes a reading, so that every order of events is some of these readings, the last one included."""
    telling = await begin(story, purchases)
    readings: list[Reading] = []
    attempts: list[UUID] = []
    for step in story.steps:
        await step(telling)
        attempt = await sql.fetchval(
            "SELECT id FROM payment_attempts WHERE order_id = $1 ORDER BY id DESC LIMIT 1",
            UUID(telling.order["id"]),
        )
        attempts.append(attempt)
        reading = await read_attempt(purchases.database, purchases.stripe, attempt)
        assert reading is not None
        readings.append(reading)
    assert len(set(attempts)) == 1
    start = Stored(
        order_id=telling.order["id"],
        status="pending",
        total=Decimal("100.00"),
        currency=story.currency,
        flag=None,
        payment_id="payment",
        payment_status="requires_payment_method",
        is_latest=True,
        attempt_id="attempt",
        is_open=True,
        refunds=(),
        disputes={},
        books=Books.of(()),
    )
    *earlier, last = readings
    endings = set()
    for chosen in itertools.product((False, True), repeat=len(earlier)):
        state = start
        for reading in (*itertools.compress(earlier, chosen), last, last):
            state = fold(state, reading)
        endings.add(repr(seen(state)))
    assert len(endings) == 1, endings
