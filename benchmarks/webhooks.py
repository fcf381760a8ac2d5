"""What taking a webhook costs: `POST /v1/webhooks/stripe` of Payment against a Starlette route with one asyncpg insert.

    python benchmarks/webhooks.py [--seconds 4] [--rounds 5] [--connections 16] [--json]

Every event is new, and stored in the same table. Only Payment checks the signature, reads what the event is about, and logs
the request. Stripe never answers meanwhile, so that the worker that applies events is blocked. The figure is events a
CPU-second of the server process; rounds alternate and the median counts. The 99th percentile is of all answers of Payment.
"""

import contextlib
import secrets
import socket
import statistics
import sys
from collections.abc import Iterator
from typing import Any

from measuring import put_load, read_options, serve, serve_program, tell, throw_away_databases

WANTED = 0.4
WANTED_MS = 250
SECRET = "whsec_benchmark"  # noqa: S105 - it lives as long as the benchmark


@contextlib.contextmanager
def silent_stripe() -> Iterator[str]:
    """A base of an API that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def run(*, seconds: float, rounds: int, connections: int) -> dict[str, Any]:
    """The medians of both servers, their ratio, and the 99th percentile."""
    with contextlib.ExitStack() as stack:
        urls = stack.enter_context(throw_away_databases("payment"))
        environment = {
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "info",
            "PAYMENT_DATABASE_URL": urls["payment"].reveal(),
            "PAYMENT_SECRET": secrets.token_urlsafe(32),
            "STRIPE_STANDIN_URL": stack.enter_context(silent_stripe()),
            "STRIPE_WEBHOOK_SECRET": SECRET,
        }
        shipped = stack.enter_context(serve("payment", "-m", "payment", environment=environment))
        bare = stack.enter_context(serve_program("bare", "bare_webhooks.py", environment=environment))
        figures: dict[str, list[float]] = {"bare": [], "payment": []}
        slowest: list[float] = []
        for number in range(rounds + 1):
            for server in (bare, shipped):
                before = server.cpu_seconds()
                result = put_load(
                    "webhooks_load.py",
                    seconds=seconds if number else 1,
                    port=server.port,
                    connections=connections,
                    secret=SECRET,
                    prefix=f"evt_{server.name}_{number}",
                )
                if number:  # the first round only warms
                    figures[server.name].append(result["events"] / (server.cpu_seconds() - before))
                    slowest += [result["p99_ms"]] if server is shipped else []
    medians = {name: statistics.median(values) for name, values in figures.items()}
    return {
        "connections": connections,
        "events_per_cpu_second": {name: round(value) for name, value in medians.items()},
        "ratio_to_bare": round(medians["payment"] / medians["bare"], 3),
        "wanted": WANTED,
        "p99_ms": round(max(slowest), 1),
        "wanted_ms": WANTED_MS,
    }


def main() -> None:
    """Read the options, measure, print. Exits with 1 when Payment is below the required ratio, or too slow."""
    options = read_options(
        "The cost of a webhook, in events a CPU-second.", seconds=4.0, rounds=5, connections=16
    )
    result = run(seconds=options.seconds, rounds=options.rounds, connections=options.connections)
    figures = result["events_per_cpu_second"].items()
    lines = [f"{name:8} {figure:7,} events a CPU-second" for name, figure in figures]
    lines.append(f"a webhook reaches {result['ratio_to_bare']:.3f} of bare (wanted: at least {WANTED})")
    lines.append(f"p99 {result['p99_ms']} ms with Stripe silent (wanted: under {WANTED_MS} ms)")
    tell(result, lines, as_json=options.json)
    sys.exit(result["ratio_to_bare"] < WANTED or result["p99_ms"] >= WANTED_MS)


if __name__ == "__main__":
    main()
