"""How long rating a large game takes, and how long it holds up the event loop of its process.

    python benchmarks/ratings.py [--players 500] [--rounds 10] [--json]

A task that sleeps a millisecond at a time notes its longest pause, with ratings and without.
"""

import argparse
import asyncio
import random
import time
from typing import Any

from l2p.ratings.calculation import Entry, Rating
from l2p.ratings.calculator import RatingCalculator
from measuring import tell


async def note_longest_pause(pauses: list[float]) -> None:
    """Milliseconds by which a turn of the loop came late."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        pauses.append((time.perf_counter() - began - 0.001) * 1000)


async def measure(calculator: RatingCalculator | None, entries: list[Entry]) -> tuple[float, float]:
    """The longest pause in milliseconds, and the seconds that the ratings took; without a calculator, of a second's rest."""
    pauses: list[float] = []
    watch = asyncio.create_task(note_longest_pause(pauses))
    await asyncio.sleep(0.01)
    began = time.perf_counter()
    await (asyncio.sleep(1) if calculator is None else calculator.rate(entries))
    seconds = time.perf_counter() - began
    watch.cancel()
    return max(pauses), seconds


async def run(*, players: int, rounds: int) -> dict[str, Any]:
    """The figures of each way to calculate."""
    source = random.Random(7)
    # Few distinct ranks: all sixteen orders are needed.
    entries = [
        Entry(source.randint(1, players // 4), Rating(source.gauss(25, 5), 6.0)) for _ in range(players)
    ]
    ways = {
        "nothing": None,
        "as shipped": RatingCalculator(),
        "in this process": RatingCalculator(most_at_home=players),
    }
    result = {}
    for name, calculator in ways.items():
        figures = [await measure(calculator, entries) for _ in range(rounds)]
        longest, seconds = zip(*figures, strict=True)
        result[name] = {"longest_pause_ms": round(max(longest), 1), "seconds": round(max(seconds), 2)}
    return {"players": players, "ways": result}


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(description="The pauses of the event loop while a game is rated.")
    parser.add_argument("--players", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    result = asyncio.run(run(players=options.players, rounds=options.rounds))
    lines = [f"{name:16} {figures}" for name, figures in result["ways"].items()]
    tell(result, lines, as_json=options.json)


if __name__ == "__main__":
    main()
