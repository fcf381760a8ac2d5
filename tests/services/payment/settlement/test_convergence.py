"""Whatever order Stripe's events come in, and however often, an order ends in one state."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payment.ledger.books import Books
from payment.settlement.readings import Reading
from payment.settlement.rules import Stored, StoredDispute, StoredRefund, decide
from payment.settlement.service import read_attempt
from tests.services.payment.purchases import Purchases
from tests.services.payment.settlement.stories import STORIES, Story
from tests.services.payment.settlement.telling import begin, handled, name_of, tell_in_order, told
from tests.services.payment.shop import Sql
from tests.services.payment.stripe_account import Json

every_story = pytest.mark.parametrize("story", STORIES, ids=name_of)


TOLD_OFTEN = frozenset(
    {
        "failed refund",
        "refunded in part, the rest disputed and lost",
    }
)
"""Stories that have what the others have."""


async def tell_in_any_order(story: Story, purchases: Purchases, sql: Sql, data: st.DataObject) -> Any:
    """How the story ends when, after each step, any of the events so far come, and in the end the others, any of them
    repeatedly, in any order and in groups that are applied together."""
    telling = await begin(story, purchases)
    events: list[Json] = []
    for step in story.steps:
        await step(telling)
        events += handled(purchases.account.take_events())
        if events:
            await purchases.catch_up(
                [events[rank] for rank in data.draw(st.lists(ranks(events), max_size=3))]
            )
    repeated = data.draw(st.lists(ranks(events), max_size=4))
    waiting = data.draw(st.permutations([*range(len(events)), *repeated]))
    while waiting:
        size = data.draw(st.integers(1, len(waiting)))
        now, waiting = waiting[:size], waiting[size:]
        await purchases.catch_up([events[rank] for rank in now])
    return await told(telling, sql)


def ranks(events: Sequence[Json]) -> st.SearchStrategy[int]:
    """Which of the events: numbers, since hypothesis prints what it draws."""
    return st.integers(0, len(events) - 1)


# The same examples each time; a purchase may take long.
steady = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def endings() -> dict[str, Any]:
    """How stories end that were told in order."""
    return {}


async def check_any_order(
    story: Story, purchases: Purchases, sql: Sql, endings: dict[str, Any], data: st.DataObject
) -> None:
    if story.name not in endings:
        endings[story.name], _ = await tell_in_order(story, purchases, sql)
    assert await tell_in_any_order(story, purchases, sql, data) == endings[story.name]


@pytest.mark.parametrize("story", [each for each in STORIES if each.name in TOLD_OFTEN], ids=name_of)
@given(data=st.data())
@settings(steady, max_examples=2)
async def test_events_in_any_order_and_at_any_time_end_alike(
    purchases: Purchases, sql: Sql, endings: dict[str, Any], story: Story, data: st.DataObject
) -> None:
    await check_any_order(story, purchases, sql, endings, data)


@pytest.mark.long  # more of the above, of each story
@every_story
@given(data=st.data())
@settings(steady, max_examples=12)
async def test_events_of_each_story_end_alike(
    purchases: Purchases, sql: Sql, endings: dict[str, Any], story: Story, data: st.DataObject
) -> None:
    await check_any_order(story, purchases, sql, endings, data)


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
@pytest.mark.long
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
    for times in itertools.product((0, 1, 2), repeat=len(earlier)):
        state = start
        for reading in (*itertools.chain(*map(itertools.repeat, earlier, times)), last, last):
            state = fold(state, reading)
        endings.add(repr(seen(state)))
    assert len(endings) == 1, endings
