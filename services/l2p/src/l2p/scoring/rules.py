"""The rules of scores and ranks, in Python: what PostgreSQL counted is checked against them.

`services/l2p/vectors/scores.json` has their values, for these and for the SQL.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

GRACE_MS = 500
"""An answer below this time has full points."""

STREAK_STEP = 100
LONGEST_STREAK_BONUS = 500


@dataclass(frozen=True, kw_only=True)
class ScoreRules:
    """The settings of a lobby that change scores."""

    speed_bonus: bool
    streak_bonus: bool


def score_answer(
    *, points: int, time_limit_ms: int, time_taken_ms: int, streak: int, rules: ScoreRules
) -> int:
    """What a right answer earns. `streak`: right answers in a row, this one included."""
    if points == 0:
        return 0
    earned = Fraction(points)
    if rules.speed_bonus and time_taken_ms >= GRACE_MS:
        earned *= 1 - Fraction(min(time_taken_ms, time_limit_ms), 2 * time_limit_ms)
    bonus = min(STREAK_STEP * (streak - 1), LONGEST_STREAK_BONUS) if rules.streak_bonus else 0
    return math.floor(earned + Fraction(1, 2)) + bonus


def rank_scores(scores: Sequence[int]) -> list[int]:
    """Ranks by number, the highest first; equal scores share theirs: 1, 2, 2, 4."""
    descending = sorted(scores, reverse=True)
    first = {score: rank for rank, score in reversed(list(enumerate(descending, start=1)))}
    return [first[score] for score in scores]
