"""What a login costs beside its hash: `POST /v1/auth/login` of Auth against a loop of the same verification in threads.

    python benchmarks/logins.py [--seconds 5] [--rounds 3] [--connections 8] [--json]

Both verify an argon2id hash of the same parameters on as many threads as there are cores. Auth does it behind HTTP, with
the limits of logins, a session, its tokens and an audit event, in a process of its own; the loop does nothing else. The
figure is CPU-seconds of the process for each login, PostgreSQL's not counted; rounds alternate and the median counts.
"""

import argparse
import contextlib
import json
import os
import secrets
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.frame import ROOT, Server, serve, sign_in, throw_away_database
from passlib.context import CryptContext

from webcommon.passwords import MEMORY_KIB, PARALLELISM, TIME_COST

PATH = "/v1/auth/login"
PASSWORD = "seven quiet harbours"  # noqa: S105 - of accounts that live as long as the benchmark
WANTED = 1.3


def cost_of_bare_hash(*, seconds: float) -> float:
    """CPU-seconds of one verification, in a loop on as many threads as there are cores, in this process."""
    context = CryptContext(
        schemes=["argon2"],
        argon2__type="ID",
        argon2__memory_cost=MEMORY_KIB,
        argon2__time_cost=TIME_COST,
        argon2__parallelism=PARALLELISM,
    )
    password_hash = context.hash(PASSWORD)
    deadline = time.monotonic() + seconds

    def verify_until_deadline(_number: int) -> int:
        number = 0
        while time.monotonic() < deadline:
            number += context.verify(PASSWORD, password_hash)
        return number

    before = time.process_time()
    with ThreadPoolExecutor() as threads:
        number = sum(threads.map(verify_until_deadline, range(os.cpu_count() or 1)))
    return (time.process_time() - before) / number


def cost_of_login(server: Server, *, seconds: float, connections: int) -> float:
    """CPU-seconds of the server process for one login; each connection signs in to an account of its own."""
    bodies = [{"login": f"person{number}", "password": PASSWORD} for number in range(connections)]
    before = server.cpu_seconds()
    result = run_posts(server, PATH, seconds=seconds, bodies=bodies)
    return (server.cpu_seconds() - before) / int(result["answers"])


def run_posts(
    server: Server, path: str, *, seconds: float, bodies: list[dict[str, Any]], follow: str | None = None
) -> dict[str, Any]:
    """Post for so long, from a process of its own."""
    order = {"port": server.port, "path": path, "seconds": seconds, "bodies": bodies, "follow": follow}
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.posts"],
        cwd=ROOT,
        input=json.dumps(order).encode(),
        stdout=subprocess.PIPE,
        timeout=seconds + 60,
        check=True,
    )
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def run(*, seconds: float, rounds: int, connections: int) -> dict[str, Any]:
    """The medians of both, in milliseconds of CPU, and how much dearer a login is."""
    costs: dict[str, list[float]] = {"hash": [], "login": []}
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(throw_away_database())
        environment = {
            "AUTH_DATABASE_URL": url.reveal(),
            "AUTH_SECRET": secrets.token_urlsafe(32),
            "LOG_FORMAT": "json",
        }
        auth = stack.enter_context(serve("auth", "auth", environment=environment))
        for number in range(connections):
            sign_in(auth.port, number)
        for _ in range(rounds):
            costs["hash"].append(cost_of_bare_hash(seconds=seconds))
            costs["login"].append(cost_of_login(auth, seconds=seconds, connections=connections))
    medians = {name: statistics.median(values) for name, values in costs.items()}
    return {
        "path": PATH,
        "connections": connections,
        "cpu_milliseconds": {name: round(1000 * value, 2) for name, value in medians.items()},
        "ratio_to_hash": round(medians["login"] / medians["hash"], 3),
        "wanted": WANTED,
    }


def main() -> None:
    """Read the options, measure, print. Exits with 1 when a login costs more than the wanted multiple of a hash."""
    parser = argparse.ArgumentParser(description="The cost of a login, in hashes.")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    result = run(seconds=options.seconds, rounds=options.rounds, connections=options.connections)
    if options.json:
        print(json.dumps(result))
    else:
        for name, figure in result["cpu_milliseconds"].items():
            print(f"{name:8} {figure:8.2f} ms of CPU")
        print(f"a login costs {result['ratio_to_hash']:.3f} of its hash (wanted: at most {WANTED})")
    sys.exit(result["ratio_to_hash"] > WANTED)


if __name__ == "__main__":
    main()
