"""Ratings are calculated without holding up the event loop, and the same everywhere."""

import asyncio
import random
import sys
from pathlib import Path

import pytest

from l2p.ratings.calculation import Entry, Rating, rate
from l2p.ratings.calculator import MOST_AT_HOME, RatingCalculator
from tests.services.l2p.ratings.test_calculation import random_entries


def some_entries(number: int) -> list[Entry]:
    source = random.Random(number)  # noqa: S311 - reproducible, and nothing secret
    return random_entries(source, number=number, distinct=4)


@pytest.mark.parametrize("most_at_home", [100, 0])
async def test_both_ways_give_what_the_calculation_gives(most_at_home: int) -> None:
    entries = some_entries(9)
    assert await RatingCalculator(most_at_home=most_at_home).rate(entries) == rate(entries)


async def test_a_small_game_lets_other_work_pass_between_two_calls() -> None:
    passed = 0

    async def count() -> None:
        nonlocal passed
        while True:
            passed += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(count())
    # A tie of seven takes seven calls.
    await RatingCalculator().rate([Entry(1, Rating(25.0, 8.0))] * 7)
    other.cancel()
    assert passed >= 7


async def test_a_large_game_is_calculated_by_a_program_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program, mark = tmp_path / "python", tmp_path / "was started"
    program.write_text(f'#!/bin/sh\ntouch "{mark}"\nexec "{sys.executable}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    small, large = some_entries(MOST_AT_HOME), some_entries(MOST_AT_HOME + 1)
    assert await RatingCalculator().rate(small) == rate(small)
    assert not mark.exists()
    assert await RatingCalculator().rate(large) == rate(large)
    assert mark.exists()


async def test_where_no_program_can_be_started_the_game_is_rated_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    entries = some_entries(12)
    assert await RatingCalculator(most_at_home=0).rate(entries) == rate(entries)


async def test_a_program_that_fails_is_replaced_by_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    entries = some_entries(12)
    assert await RatingCalculator(most_at_home=0).rate(entries) == rate(entries)
