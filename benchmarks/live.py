"""Live games at size: 50 lobbies of 10, 1 lobby of 500, and 500 answers within 100 ms, at one process of Learn2Play.

    python benchmarks/live.py [--json] [--only "1 lobby of 500"]

The players are sockets of one other process, so that on two cores half of the delays are theirs. Each player joins over
HTTP, connects, gets ready and answers two questions.
"""

import argparse
import contextlib
import secrets
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measuring import Server, put_load, serve, tell, throw_away_databases
from minting import minted_tokens

PLAYERS = 500
QUESTIONS = 2
CASES: dict[str, tuple[list[int], float]] = {
    "50 lobbies of 10": ([10] * 50, 5.0),
    "1 lobby of 500": ([500], 5.0),
    "1 lobby of 500, a burst": ([500], 0.1),
}
"""The players of each lobby, and the seconds within which they answer."""


def memory_mb(server: Server) -> float:
    """The resident memory of a process."""
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the process has ended")


class CpuSamples:
    """The CPU seconds of a server, noted ten times a second during a block."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._notes: list[tuple[float, float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._note, daemon=True)

    def __enter__(self) -> "CpuSamples":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _note(self) -> None:
        while not self._ended.wait(0.1):
            self._notes.append((time.time(), self._server.cpu_seconds()))

    def until(self, moment: float) -> float:
        """The seconds from the beginning until a moment of the system's clock."""
        return max(cpu for at, cpu in self._notes if at <= moment) - self._notes[0][1]


def run(names: Sequence[str]) -> dict[str, Any]:
    """What the players measured, and the server's CPU seconds and memory, for each of these cases."""
    result: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        urls = stack.enter_context(throw_away_databases("l2p"))
        keys, tokens = stack.enter_context(minted_tokens(PLAYERS))
        environment = {
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "info",
            "L2P_DATABASE_URL": urls["l2p"].reveal(),
            "L2P_SECRET": secrets.token_urlsafe(32),
            "AUTH_JWKS_URL": keys,
        }
        shipped = stack.enter_context(serve("l2p", "-m", "l2p", environment=environment))
        for name in names:
            lobbies, burst = CASES[name]
            before = shipped.cpu_seconds()
            with CpuSamples(shipped) as samples:
                seen = put_load(
                    "live_load.py",
                    seconds=120,
                    port=shipped.port,
                    tokens=tokens,
                    lobbies=lobbies,
                    burst=burst,
                    questions=QUESTIONS,
                )
            result[name] = seen | {
                "joining_cpu_seconds": round(samples.until(seen.pop("joined_at")), 1),
                "cpu_seconds": round(shipped.cpu_seconds() - before, 1),
                "memory_mb": round(memory_mb(shipped)),
            }
    return result


def main() -> None:
    """Measure, and print. Exits with 1 when an event was lost or an answer refused."""
    parser = argparse.ArgumentParser(description="Live games at size.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--only", choices=list(CASES), help="this case alone")
    options = parser.parse_args()
    result = run([options.only] if options.only else list(CASES))
    lines = [
        f"{name}: " + ", ".join(f"{key} {value}" for key, value in figures.items())
        for name, figures in result.items()
    ]
    tell(result, lines, as_json=options.json)
    wanted = PLAYERS * QUESTIONS
    sys.exit(any(case["lost_events"] or case["accepted"] != wanted for case in result.values()))


if __name__ == "__main__":
    main()
