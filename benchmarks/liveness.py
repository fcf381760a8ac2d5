"""How long an orchestrator waits for `GET /livez` of Auth while fifty logins hash, against a bare app that hashes too.

    python benchmarks/liveness.py [--seconds 10] [--rounds 3] [--connections 50] [--json]

Every connection signs in again and again, so that all of them wait for a thread to hash on; a prober in a process of its
own asks for the liveness every 10 ms. The bare app has Starlette and the same hash on as many threads as there are
cores, without a database. Rounds alternate; the figures are of the answers of all rounds together.
"""

import contextlib
import statistics
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from measuring import (
    PASSWORD,
    Server,
    put_load,
    read_options,
    serve_auth,
    serve_program,
    sign_in,
    tell,
)

PATH = "/livez"
WANTED_MILLISECONDS = 100.0
PAUSE_SECONDS = 0.01


@contextlib.contextmanager
def logins(server: Server, *, seconds: float, connections: int) -> Iterator[None]:
    """Keep signing in to as many accounts on as many connections, from another process, while the block runs."""
    bodies = [{"login": f"person{number}", "password": PASSWORD} for number in range(connections)]
    order: dict[str, Any] = {"port": server.port, "path": "/v1/auth/login", "bodies": bodies, "follow": None}
    with ThreadPoolExecutor(max_workers=1) as thread:
        load = thread.submit(put_load, "posts.py", seconds=seconds, **order)
        yield
        load.result()


def times_of_probes(server: Server, *, seconds: float, connections: int) -> list[float]:
    """The seconds of each probe while all connections sign in."""
    with logins(server, seconds=seconds + 2, connections=connections):
        times: list[float] = put_load(
            "probe.py", seconds=seconds, port=server.port, path=PATH, pause=PAUSE_SECONDS
        )
    return times


def run(*, seconds: float, rounds: int, connections: int) -> dict[str, Any]:
    """Median and 99th percentile of both, in milliseconds, and the ratio of the latter."""
    times: dict[str, list[float]] = {"bare": [], "auth": []}
    with serve_auth() as (auth, environment):
        for number in range(connections):
            sign_in(auth.port, number)
        with serve_program("bare", "bare_login.py", environment=environment) as bare:
            for _ in range(rounds):
                for server in (bare, auth):
                    times[server.name] += times_of_probes(server, seconds=seconds, connections=connections)
    figures = {
        name: {
            "probes": len(values),
            "median_ms": round(1000 * statistics.median(values), 1),
            "p99_ms": round(1000 * statistics.quantiles(values, n=100)[98], 1),
        }
        for name, values in times.items()
    }
    return {
        "path": PATH,
        "connections": connections,
        **figures,
        "ratio_to_bare": round(figures["auth"]["p99_ms"] / figures["bare"]["p99_ms"], 3),
        "wanted_p99_ms": WANTED_MILLISECONDS,
    }


def main() -> None:
    """Read the options, measure, print. Exits with 1 when the 99th percentile is above the limit."""
    options = read_options("Liveness while logins hash.", seconds=10.0, rounds=3, connections=50)
    result = run(seconds=options.seconds, rounds=options.rounds, connections=options.connections)
    lines = [
        f"{name:5} median {result[name]['median_ms']:6.1f} ms, p99 {result[name]['p99_ms']:6.1f} ms"
        for name in ("bare", "auth")
    ]
    lines.append(
        f"the 99th percentile is {result['ratio_to_bare']:.2f} of the bare app's (wanted: under {WANTED_MILLISECONDS:g} ms)"
    )
    tell(result, lines, as_json=options.json)
    sys.exit(result["auth"]["p99_ms"] >= WANTED_MILLISECONDS)


if __name__ == "__main__":
    main()
