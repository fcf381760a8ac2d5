"""Ratings after a game: who gains, who loses, and that neither ties nor the order of players change that."""

import itertools
import random
from collections.abc import Sequence

import pytest

from l2p.ratings.calculation import (
    INITIAL_MU,
    INITIAL_SIGMA,
    MOST_ORDERS,
    Entry,
    Rating,
    rate,
    rate_orders,
)

NEWCOMER = Rating(INITIAL_MU, INITIAL_SIGMA)


def newcomers(ranks: Sequence[int]) -> list[Entry]:
    return [Entry(rank, NEWCOMER) for rank in ranks]


def ranks_of(sizes: Sequence[int]) -> list[int]:
    """The ranks of ties of these sizes: [1, 2, 1] are 1, 2, 2, 4."""
    starts = itertools.accumulate(sizes, initial=1)
    return [rank for rank, size in zip(starts, sizes, strict=False) for _ in range(size)]


def random_entries(random_source: random.Random, *, number: int, distinct: int) -> list[Entry]:
    """Players with ratings of their own and a few ranks."""
    return [
        Entry(
            random_source.randint(1, distinct),
            Rating(random_source.uniform(0, 50), random_source.uniform(1, 9)),
        )
        for _ in range(number)
    ]


def test_two_newcomers_are_rated_as_the_model_does() -> None:
    winner, loser = rate(newcomers([1, 2]))
    assert (winner.shown, loser.shown) == (1658, 1342)


def test_the_shown_rating_starts_at_1500_and_is_never_negative() -> None:
    assert NEWCOMER.shown == 1500
    assert Rating(-0.5, 1.0).shown == 0
    assert Rating(25.004, 1.0).shown == 1500


SIZES = [
    *([*sizes] for length in range(1, 5) for sizes in itertools.product(range(1, 4), repeat=length)),
    [4, 1, 1, 1, 1],
    [20, 1, 30],
    [1, 17, 2, 3],
]


@pytest.mark.parametrize("sizes", [sizes for sizes in SIZES if sum(sizes) > 1], ids=str)
def test_of_equals_equal_ranks_change_equally_and_better_ranks_never_gain_less(sizes: list[int]) -> None:
    ranks = ranks_of(sizes)
    after = rate(newcomers(ranks))
    by_rank = {rank: {after[place] for place, other in enumerate(ranks) if other == rank} for rank in ranks}
    assert all(len(ratings) == 1 for ratings in by_rank.values())
    mus = [by_rank[rank].pop().mu for rank in sorted(by_rank)]
    assert all(better > worse for better, worse in itertools.pairwise(mus))


def test_four_winners_of_eight_gain_more_than_the_fifth() -> None:
    after = rate(newcomers([1, 1, 1, 1, 5, 6, 7, 8]))
    assert len(set(after[:4])) == 1
    assert after[0].mu > after[4].mu > after[5].mu > after[6].mu > after[7].mu
    assert after[0].mu > INITIAL_MU


def test_a_sole_winner_never_falls_whatever_the_ratings() -> None:
    source = random.Random(1)  # noqa: S311 - reproducible, and nothing secret
    for number in range(2, 40):
        others = random_entries(source, number=number, distinct=5)
        winner = Entry(0, Rating(source.uniform(0, 60), source.uniform(0.5, 9)))
        assert rate([winner, *others])[0].mu >= winner.before.mu


def test_the_order_of_players_makes_no_difference_to_the_last_digit() -> None:
    source = random.Random(2)  # noqa: S311 - reproducible, and nothing secret
    for number in (2, 5, 12, 60):
        entries = random_entries(source, number=number, distinct=3)
        shuffled = source.sample(entries, k=number)
        assert dict(zip(entries, rate(entries), strict=True)) == dict(
            zip(shuffled, rate(shuffled), strict=True)
        )


def test_tied_players_of_unequal_ratings_have_each_place_once() -> None:
    strong, weak = Entry(1, Rating(30.0, 5.0)), Entry(1, Rating(20.0, 5.0))
    first, second = rate_orders([strong, weak])
    won, lost = rate([Entry(1, strong.before), Entry(2, weak.before)])
    assert second == [won, lost] or first == [won, lost]
    tied = rate([strong, weak])
    assert tied[0].mu < 30.0
    assert tied[1].mu > 20.0


@pytest.mark.parametrize(
    ("sizes", "orders"), [([1, 1, 1], 1), ([2, 3], 6), ([4, 2], 4), ([5, 7], 16), ([100], 16)]
)
def test_as_many_orders_are_averaged_as_ties_need_at_most_sixteen(sizes: list[int], orders: int) -> None:
    assert len(list(rate_orders(newcomers(ranks_of(sizes))))) == orders <= MOST_ORDERS
