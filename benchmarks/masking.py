"""What masking the secrets of a long line in a log costs, against as many characters in short lines.

    python benchmarks/masking.py [--rounds 5] [--json]

A search that looks again and again at the same characters takes a time that grows with the square of the line's length.
A ratio near 1 says that this one does not. The lines are the beginnings of what is masked, repeated: the worst there are.
"""

import argparse
import json
import statistics
import sys
import time
from typing import Any

from webcommon.observability.masking import mask_text

UNITS = ("a-", "a", "eyJ", "://a:", "token-", "password=", "bearer ")
LONG = 50_000
SHORT = 1_000
WANTED = 3.0


def seconds_of(text: str, *, times: int) -> float:
    """CPU seconds of masking `text` `times` times."""
    started = time.process_time()
    for _ in range(times):
        mask_text(text)
    return time.process_time() - started


def ratio(unit: str, *, rounds: int) -> float:
    """The median ratio of the time for a long line to that for as many characters in short lines."""
    long, short = (unit * (length // len(unit)) for length in (LONG, SHORT))
    return statistics.median(
        seconds_of(long, times=4) / seconds_of(short, times=4 * LONG // SHORT) for _ in range(rounds)
    )


def run(*, rounds: int) -> dict[str, Any]:
    """The ratio for each unit."""
    return {
        "ratio_long_to_short": {unit: round(ratio(unit, rounds=rounds), 2) for unit in UNITS},
        "wanted": WANTED,
    }


def main() -> None:
    """Read the options, measure, print. Exits with 1 when a ratio is above the limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="a line of JSON")
    options = parser.parse_args()
    result = run(rounds=options.rounds)
    print(json.dumps(result, indent=None if options.json else 2))
    sys.exit(0 if max(result["ratio_long_to_short"].values()) <= WANTED else 1)


if __name__ == "__main__":
    main()
