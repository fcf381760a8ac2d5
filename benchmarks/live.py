"""Live games at size: 50 lobbies of 10, 1 lobby of 500, and 500 answers within 100 ms, at one process of Learn2Play.

    python benchmarks/live.py [--json]

The players are sockets of one other process, so that on two cores half of the delays are theirs. Each player joins over
HTTP, connects, gets ready and answers two questions.
"""

import argparse
import contextlib
import secrets
import sys
from pathlib import Path
from typing import Any

from measuring import Server, put_load, serve, sign_in, tell, throw_away_databases

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


def run() -> dict[str, Any]:
    """What the players measured, and the server's CPU seconds and memory, for each case."""
    result: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        urls = stack.enter_context(throw_away_databases("auth", "l2p"))
        environment = {"LOG_FORMAT": "json", "LOG_LEVEL": "info"}
        for service, url in urls.items():
            environment[f"{service.upper()}_DATABASE_URL"] = url.reveal()
            environment[f"{service.upper()}_SECRET"] = secrets.token_urlsafe(32)
        auth = stack.enter_context(serve("auth", "-m", "auth", environment=environment))
        environment["AUTH_JWKS_URL"] = f"http://127.0.0.1:{auth.port}/.well-known/jwks.json"
        tokens = [sign_in(auth.port, number) for number in range(PLAYERS)]
        shipped = stack.enter_context(serve("l2p", "-m", "l2p", environment=environment))
        for name, (lobbies, burst) in CASES.items():
            before = shipped.cpu_seconds()
            seen = put_load(
                "live_load.py",
                seconds=120,
                port=shipped.port,
                tokens=tokens,
                lobbies=lobbies,
                burst=burst,
                questions=QUESTIONS,
            )
            cpu = round(shipped.cpu_seconds() - before, 1)
            result[name] = seen | {"cpu_seconds": cpu, "memory_mb": round(memory_mb(shipped))}
    return result


def main() -> None:
    """Measure, and print. Exits with 1 when an event was lost or an answer refused."""
    parser = argparse.ArgumentParser(description="Live games at size.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    result = run()
    lines = [
        f"{name}: " + ", ".join(f"{key} {value}" for key, value in figures.items())
        for name, figures in result.items()
    ]
    tell(result, lines, as_json=options.json)
    wanted = PLAYERS * QUESTIONS
    sys.exit(any(case["lost_events"] or case["accepted"] != wanted for case in result.values()))


if __name__ == "__main__":
    main()
