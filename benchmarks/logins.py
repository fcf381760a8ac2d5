"""What a login costs beside its hash: `POST /v1/auth/login` of Auth against a loop of the same verification in threads.

    python benchmarks/logins.py [--seconds 5] [--rounds 3] [--connections 8] [--json]

Both verify an argon2id hash of the same parameters on as many threads as there are cores. Auth does it behind HTTP, with
the limits of logins, a session, its tokens and an audit event, in a process of its own; the loop does nothing else. The
figure is CPU-seconds of the process for each login, PostgreSQL's not counted; rounds alternate and the median counts.
"""

import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from passlib.context import CryptContext

from measuring import PASSWORD, Server, put_load, read_options, serve_auth, sign_in, tell
from webcommon.accounts.passwords import MEMORY_KIB, PARALLELISM, TIME_COST

PATH = "/v1/auth/login"
WANTED = 1.3


def cost_of_bare_hash(*, seconds: float) -> float:
    """CPU-seconds of one verification, in a loop on one thread a core of this process."""
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
    result = put_load("posts.py", seconds=seconds, port=server.port, path=PATH, bodies=bodies, follow=None)
    return (server.cpu_seconds() - before) / int(result["answers"])


def run(*, seconds: float, rounds: int, connections: int) -> dict[str, Any]:
    """The medians of both in milliseconds of CPU, and their ratio."""
    costs: dict[str, list[float]] = {"hash": [], "login": []}
    with serve_auth() as (auth, _):
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
    """Read the options, measure, print. Exits with 1 when a login costs more than the accepted multiple of a hash."""
    options = read_options("The cost of a login, in hashes.", seconds=5.0, rounds=3, connections=8)
    result = run(seconds=options.seconds, rounds=options.rounds, connections=options.connections)
    lines = [f"{name:8} {figure:8.2f} ms of CPU" for name, figure in result["cpu_milliseconds"].items()]
    lines.append(f"a login costs {result['ratio_to_hash']:.3f} of its hash (wanted: at most {WANTED})")
    tell(result, lines, as_json=options.json)
    sys.exit(result["ratio_to_hash"] > WANTED)


if __name__ == "__main__":
    main()
