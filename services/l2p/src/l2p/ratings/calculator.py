"""Calculates ratings without holding up the event loop."""

import asyncio
import json
import logging
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence

from l2p.ratings import calculation
from l2p.ratings.calculation import Entry, Rating

logger = logging.getLogger(__name__)

MOST_AT_HOME = 100
"""Players of a game up to which one call of the model takes a few milliseconds; its code holds Python's lock."""

LONGEST_SECONDS = 30.0


class RatingCalculator:
    """Calculates small games between other work, and large ones in a program of their own, one at a time."""

    def __init__(self, *, most_at_home: int = MOST_AT_HOME) -> None:
        self._most_at_home = most_at_home
        self._turn = asyncio.Lock()

    async def rate(self, entries: Sequence[Entry]) -> list[Rating]:
        """The ratings after a game, in the order of `entries`."""
        if len(entries) > self._most_at_home:
            try:
                async with self._turn, asyncio.timeout(LONGEST_SECONDS):
                    return await _rate_elsewhere(entries)
            # A game has to end also where no program can be started.
            except (OSError, TimeoutError, ValueError) as error:
                logger.warning(
                    "the ratings of %d players are calculated here: %s", len(entries), error or "time-out"
                )
        orders = []
        for order in calculation.rate_orders(entries):
            orders.append(order)
            await asyncio.sleep(0)
        return calculation.average(entries, orders)


async def _rate_elsewhere(entries: Sequence[Entry]) -> list[Rating]:
    program = [sys.executable, "-P", "-m", calculation.__name__]
    process = await asyncio.create_subprocess_exec(*program, stdin=PIPE, stdout=PIPE)
    try:
        written, _ = await process.communicate(json.dumps(entries).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise ValueError(f"the program ended with {process.returncode}")
    return [Rating(*pair) for pair in json.loads(written)]
