"""Ratings after a game, by OpenSkill's Plackett-Luce model. No input or output but that of the program at the end.

The model's own ties are not monotone: of eight equal newcomers, the fifth would gain more than the four winners. So a tie
is broken in several orders, in which each tied player has each place, and the ratings are the averages of all orders.
"""

import json
import math
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from openskill.models import PlackettLuce

MOST_ORDERS = 16
"""Orders that are averaged at most: each costs a call of the model."""

INITIAL_MU = 25.0
INITIAL_SIGMA = INITIAL_MU / 3
POINTS_A_MU = 60
"""A player is shown `POINTS_A_MU * mu`, never below 0."""

_MODEL = PlackettLuce(mu=INITIAL_MU, sigma=INITIAL_SIGMA)


class Rating(NamedTuple):
    """An estimate of a player's skill, and its uncertainty."""

    mu: float
    sigma: float

    @property
    def shown(self) -> int:
        """The rating that players see."""
        return max(0, round(POINTS_A_MU * self.mu))


class Entry(NamedTuple):
    """A player's rank in a game, shared by equal scores, and the rating before it."""

    rank: int
    before: Rating


def rate(entries: Sequence[Entry]) -> list[Rating]:
    """The ratings after a game, in the order of `entries`."""
    return average(entries, list(rate_orders(entries)))


def rate_orders(entries: Sequence[Entry]) -> Iterator[list[Rating]]:
    """The ratings for one order of the tied players after another; each step costs one call of the model.

    The steps do not depend on the order of `entries`.
    """
    # Floats that are added in another order may differ in the last digit.
    numbers = sorted(range(len(entries)), key=entries.__getitem__)
    ties = [list(tie) for _, tie in groupby(numbers, key=lambda number: entries[number].rank)]
    turns = min(math.lcm(*map(len, ties)), MOST_ORDERS)
    for turn in range(turns):
        order = [number for tie in ties for number in _rotate(tie, turn * len(tie) // turns)]
        teams = [[_MODEL.rating(*entries[number].before)] for number in order]
        after = _MODEL.rate(teams, ranks=[float(place) for place in range(len(teams))])
        by_number = {
            number: Rating(team[0].mu, team[0].sigma) for number, team in zip(order, after, strict=True)
        }
        yield [by_number[number] for number in range(len(entries))]


def average(entries: Sequence[Entry], orders: Sequence[Sequence[Rating]]) -> list[Rating]:
    """The averages of all orders. Equals, in rank and rating, share theirs: in a large tie not each had each place."""
    equals: dict[Entry, list[Rating]] = {}
    for order in orders:
        for entry, rating in zip(entries, order, strict=True):
            equals.setdefault(entry, []).append(rating)
    means = {entry: _mean(ratings) for entry, ratings in equals.items()}
    return [means[entry] for entry in entries]


def _rotate(tie: list[int], places: int) -> list[int]:
    return tie[places:] + tie[:places]


def _mean(ratings: Sequence[Rating]) -> Rating:
    mu, sigma = (math.fsum(values) / len(ratings) for values in zip(*ratings, strict=True))
    return Rating(mu, sigma)


if __name__ == "__main__":
    given = [Entry(rank, Rating(*before)) for rank, before in json.load(sys.stdin)]
    json.dump(rate(given), sys.stdout)
