"""Every order of a story's events, of those that have few: an order ends in one state."""

import itertools
import random
from collections.abc import Iterable

import pytest

from tests.services.payment.purchases import Purchases
from tests.services.payment.settlement.stories import STORIES, Story
from tests.services.payment.settlement.telling import begin, handled, name_of, tell_in_order, told
from tests.services.payment.shop import Sql

FEW_EVENTS = {
    "paid": 3,
    "declined": 2,
    "declined then paid": 4,
    "3-D Secure": 4,
    "3-D Secure failed, then paid": 5,
    "debit on its way": 2,
    "debit": 4,
    "debit failed, then card": 5,
    "Checkout": 4,
    "Checkout, declined first": 5,
    "cancel against success": 3,
    "refunded in part": 5,
    "dispute": 5,
}
"""How many events a story has, where all of their orders can be told."""

Order = tuple[int, ...]


def orders_of(number: int) -> set[Order]:
    """Every order of so many events with any one of them repeated anywhere."""
    events = range(number)
    repeated = (itertools.permutations([*events, again]) for again in events)
    return set(itertools.chain.from_iterable(repeated))


def drawn_of(number: int) -> set[Order]:
    """Every order of so many events; with each of them one event repeated, which is drawn, as is the place."""
    chance = random.Random(number)  # noqa: S311 - the same each time
    orders = [list(order) for order in itertools.permutations(range(number))]
    for order in orders:
        order.insert(chance.randint(0, number), chance.choice(order))
    return set(map(tuple, orders))


PARTS = 12
"""Tests in which the orders of a story are told."""

STORIES_OF_FEW = [each for each in STORIES if each.name in FEW_EVENTS]


@pytest.mark.long  # a hundred orders
@pytest.mark.parametrize("story", STORIES_OF_FEW, ids=name_of)
async def test_orders_of_up_to_five_events_end_alike(purchases: Purchases, sql: Sql, story: Story) -> None:
    number = FEW_EVENTS[story.name]
    await tell_each(story, orders_of(number) if number < 4 else drawn_of(number), purchases, sql)


@pytest.mark.long
@pytest.mark.exhaustive  # 1,800 orders of five events
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("story", [each for each in STORIES_OF_FEW if FEW_EVENTS[each.name] > 3], ids=name_of)
async def test_every_order_of_up_to_five_events_ends_alike(
    purchases: Purchases, sql: Sql, story: Story, part: int
) -> None:
    orders = sorted(orders_of(FEW_EVENTS[story.name]))
    await tell_each(story, orders[part::PARTS], purchases, sql)


def test_every_order_with_each_event_repeated_is_among_them() -> None:
    assert [len(orders_of(number)) for number in (1, 2, 3, 4, 5)] == [1, 6, 36, 240, 1800]
    assert all(drawn_of(number) < orders_of(number) for number in (4, 5))


async def tell_each(story: Story, orders: Iterable[Order], purchases: Purchases, sql: Sql) -> None:
    """Tell a story in these orders, the events in two groups: each ends as if they had come one by one."""
    ending, number = await tell_in_order(story, purchases, sql)
    assert number == FEW_EVENTS[story.name]
    for place, order in enumerate(sorted(orders)):
        telling = await begin(story, purchases)
        for step in story.steps:
            await step(telling)
        events = handled(purchases.account.take_events())
        come = [events[rank] for rank in order]
        cut = place % len(come)
        for group in filter(None, (come[:cut], come[cut:])):
            await purchases.catch_up(group)
        assert await told(telling, sql) == ending, order
