"""Every order of a story's events, of those that have few: an order ends in one state."""

import itertools
import random

import pytest

from tests.services.payment.purchases import Purchases
from tests.services.payment.settlement.stories import STORIES, Story
from tests.services.payment.settlement.telling import begin, handled, name_of, tell_in_order, told
from tests.services.payment.shop import Sql

FEW_EVENTS = frozenset(
    {
        "paid",
        "declined",
        "declined then paid",
        "3-D Secure",
        "3-D Secure failed, then paid",
        "debit on its way",
        "debit",
        "debit failed, then card",
        "Checkout",
        "Checkout, declined first",
        "cancel against success",
        "refunded in part",
        "dispute",
    }
)
"""Stories of five events at most, all of whose orders can be told."""


def orders_of(number: int) -> set[tuple[int, ...]]:
    """Every order of so many events with one of them repeated; of four and five, every order, each with any one repeated
    anywhere."""
    if number < 4:
        return {order for again in range(number) for order in itertools.permutations([*range(number), again])}
    chance = random.Random(number)  # noqa: S311 - the same each time
    orders = [list(order) for order in itertools.permutations(range(number))]
    for order in orders:
        order.insert(chance.randint(0, number), chance.choice(order))
    return set(map(tuple, orders))


@pytest.mark.long  # a hundred orders
@pytest.mark.parametrize("story", [each for each in STORIES if each.name in FEW_EVENTS], ids=name_of)
async def test_every_order_of_up_to_five_events_ends_alike(
    purchases: Purchases, sql: Sql, story: Story
) -> None:
    ending, number = await tell_in_order(story, purchases, sql)
    assert number <= 5
    for place, order in enumerate(sorted(orders_of(number))):
        telling = await begin(story, purchases)
        for step in story.steps:
            await step(telling)
        events = handled(purchases.account.take_events())
        come = [events[rank] for rank in order]
        cut = place % len(come)
        for group in filter(None, (come[:cut], come[cut:])):
            await purchases.catch_up(group)
        assert await told(telling, sql) == ending, order
