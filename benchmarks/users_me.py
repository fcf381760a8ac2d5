"""What a request costs beside its work: `GET /v1/users/me` of Auth against a bare Starlette + asyncpg application that does the same.

    python benchmarks/users_me.py [--seconds 4] [--rounds 5] [--connections 32] [--json]

Both verify the same tokens with the same verifier and run the same select on the same PostgreSQL, a throw-away one, each
in a process of its own; a third process asks. The figure is requests a CPU-second of the server process, which does
not depend on what else the machine does; rounds alternate and the median counts. Auth is measured as it ships, a line
in the log for each request included, and once more with LOG_LEVEL=warning, to tell what those lines cost.
"""

import contextlib
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from measuring import Server, put_load, read_options, serve, serve_auth, serve_program, sign_in, tell

PATH = "/v1/users/me"
WANTED = 0.8


def measure(server: Server, *, seconds: float, tokens: list[str]) -> float:
    """Requests a CPU-second in one round."""
    before = server.cpu_seconds()
    answers = put_load("load.py", seconds=seconds, port=server.port, path=PATH, tokens=tokens)
    return int(answers) / (server.cpu_seconds() - before)


def run(*, seconds: float, rounds: int, connections: int) -> dict[str, Any]:
    """The medians of every server, and their ratios to the bare one."""
    with contextlib.ExitStack() as stack:
        auth, environment = stack.enter_context(serve_auth())
        with ThreadPoolExecutor(8) as threads:
            tokens = list(threads.map(lambda number: sign_in(auth.port, number), range(connections)))
        quiet_environment = {**environment, "LOG_LEVEL": "warning"}
        quiet = stack.enter_context(serve("auth, quiet log", "-m", "auth", environment=quiet_environment))
        bare = stack.enter_context(serve_program("bare", "bare_app.py", environment=environment))
        lean = stack.enter_context(
            serve_program("bare, no reset", "bare_app.py", "no-reset", environment=environment)
        )
        servers = (bare, lean, auth, quiet)
        for server in servers:
            measure(server, seconds=1, tokens=tokens)  # warm: prepared statements, remembered tokens
        figures: dict[str, list[float]] = {server.name: [] for server in servers}
        for _ in range(rounds):
            for server in servers:
                figures[server.name].append(measure(server, seconds=seconds, tokens=tokens))
    medians = {name: statistics.median(values) for name, values in figures.items()}
    return {
        "path": PATH,
        "connections": connections,
        "requests_per_cpu_second": {name: round(value) for name, value in medians.items()},
        "ratio_to_bare": {name: round(value / medians["bare"], 3) for name, value in medians.items()},
        "wanted": WANTED,
    }


def main() -> None:
    """Read the options, measure, print. Exits with 1 when Auth is below the required ratio."""
    options = read_options(
        "The cost of GET /v1/users/me, in requests a CPU-second.", seconds=4.0, rounds=5, connections=32
    )
    result = run(seconds=options.seconds, rounds=options.rounds, connections=options.connections)
    lines = (
        f"{name:16} {figure:7,} requests a CPU-second   {result['ratio_to_bare'][name]:.3f} of bare"
        for name, figure in result["requests_per_cpu_second"].items()
    )
    tell(result, lines, as_json=options.json)
    sys.exit(result["ratio_to_bare"]["auth"] < WANTED)


if __name__ == "__main__":
    main()
