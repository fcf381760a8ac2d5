"""What a refresh costs: `POST /v1/auth/refresh` of Auth against the same statements written by hand with asyncpg.

    python benchmarks/refresh.py [--seconds 4] [--rounds 5] [--connections 32] [--json]

Each connection rotates the tokens of a session of its own, now at one server, now at the other, on one PostgreSQL. The
figure is requests a CPU-second of the server process; rounds alternate and the median counts.
"""

import contextlib
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from measuring import (
    PASSWORD,
    Server,
    post,
    put_load,
    read_options,
    serve_auth,
    serve_program,
    sign_in,
    tell,
)

PATH = "/v1/auth/refresh"
WANTED = 0.65


def start_session(port: int, number: int) -> dict[str, Any]:
    """The first body of a connection."""
    sign_in(port, number)
    answer = post(port, "/v1/auth/login", {"login": f"person{number}", "password": PASSWORD})
    return {"refresh_token": answer["refresh_token"]}


def measure(
    server: Server, *, seconds: float, bodies: list[dict[str, Any]]
) -> tuple[float, list[dict[str, Any]]]:
    """Requests a CPU-second in one round, and the newest tokens."""
    before = server.cpu_seconds()
    result = put_load(
        "posts.py", seconds=seconds, port=server.port, path=PATH, bodies=bodies, follow="refresh_token"
    )
    return result["answers"] / (server.cpu_seconds() - before), result["bodies"]


def run(*, seconds: float, rounds: int, connections: int) -> dict[str, Any]:
    """The medians of both servers, and their ratio."""
    with contextlib.ExitStack() as stack:
        auth, environment = stack.enter_context(serve_auth())
        with ThreadPoolExecutor(8) as threads:
            bodies = list(threads.map(lambda number: start_session(auth.port, number), range(connections)))
        bare = stack.enter_context(serve_program("bare", "bare_refresh.py", environment=environment))
        figures: dict[str, list[float]] = {"bare": [], "auth": []}
        for number in range(rounds + 1):
            for server in (bare, auth):
                figure, bodies = measure(server, seconds=seconds if number else 1, bodies=bodies)
                figures[server.name] += [figure] if number else []  # the first round only warms
    medians = {name: statistics.median(values) for name, values in figures.items()}
    return {
        "path": PATH,
        "connections": connections,
        "requests_per_cpu_second": {name: round(value) for name, value in medians.items()},
        "ratio_to_bare": round(medians["auth"] / medians["bare"], 3),
        "wanted": WANTED,
    }


def main() -> None:
    """Read the options, measure, print. Exits with 1 when Auth is below the required ratio."""
    options = read_options(
        "The cost of a refresh, in requests a CPU-second.", seconds=4.0, rounds=5, connections=32
    )
    result = run(seconds=options.seconds, rounds=options.rounds, connections=options.connections)
    figures = result["requests_per_cpu_second"].items()
    lines = [f"{name:8} {figure:7,} requests a CPU-second" for name, figure in figures]
    lines.append(f"a refresh reaches {result['ratio_to_bare']:.3f} of bare (wanted: at least {WANTED})")
    tell(result, lines, as_json=options.json)
    sys.exit(result["ratio_to_bare"] < WANTED)


if __name__ == "__main__":
    main()
