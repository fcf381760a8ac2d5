"""Stripe away under load: what becomes of reads at one process of Payment while each payment waits for Stripe.

    python benchmarks/outage.py [--seconds 60] [--readers 5] [--payers 8] [--json]

For a while all is well, then the stand-in for Stripe is stopped (it takes connections and never answers), then it goes on.
Readers list their orders, twenty times a second each; payers begin a payment of an order on one way and then on the other,
each of which closes and makes something at Stripe. The load is one other process. Wanted: the 99th percentile of reads while
Stripe is away at most twice that of before, no request that found no free connection of the database, no transaction idle
for over a second, and payments that work again afterwards.
"""

import argparse
import contextlib
import secrets
import sys
from typing import Any

from measuring import put_load, serve, tell, throw_away_databases
from minting import minted_tokens

WELL_SECONDS = 20.0
WANTED_RATIO = 2.0
WANTED_IDLE_SECONDS = 1.0


def run(*, seconds: float, readers: int, payers: int) -> dict[str, Any]:
    """What the load measured, before, during and after the outage."""
    with contextlib.ExitStack() as stack:
        urls = stack.enter_context(throw_away_databases("payment"))
        keys, tokens = stack.enter_context(minted_tokens(readers + payers))
        standin = stack.enter_context(
            serve("stripe", "-m", "standins.stripe", "--port", "{port}", environment={})
        )
        environment = {
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "error",
            "PAYMENT_DATABASE_URL": urls["payment"].reveal(),
            "PAYMENT_SECRET": secrets.token_urlsafe(32),
            "AUTH_JWKS_URL": keys,
            "STRIPE_STANDIN_URL": f"http://127.0.0.1:{standin.port}",
        }
        shipped = stack.enter_context(serve("payment", "-m", "payment", environment=environment))
        phases: dict[str, dict[str, Any]] = put_load(
            "outage_load.py",
            seconds=2 * WELL_SECONDS + seconds,
            port=shipped.port,
            stripe=standin.process.pid,
            database=urls["payment"].reveal(),
            readers=tokens[:readers],
            payers=tokens[readers:],
            well=WELL_SECONDS,
        )
    before, away, after = phases["before"], phases["away"], phases["after"]
    kept = {
        "reads": away["p99_ms"] <= WANTED_RATIO * before["p99_ms"],
        "pool": not any(phase["without_connection"] for phase in phases.values()),
        "transactions": max(phase["idle_seconds"] for phase in phases.values()) < WANTED_IDLE_SECONDS,
        "payments": after["payments"].get("200", 0) > 0,
    }
    return {
        "seconds": seconds,
        "phases": phases,
        "ratio_of_p99": round(away["p99_ms"] / before["p99_ms"], 2),
        "kept": kept,
    }


def main() -> None:
    """Measure, and print. Exits with 1 when a promise was not kept."""
    parser = argparse.ArgumentParser(description="Payment while Stripe is away.")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long Stripe is away")
    parser.add_argument("--readers", type=int, default=5)
    parser.add_argument("--payers", type=int, default=8)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    result = run(seconds=options.seconds, readers=options.readers, payers=options.payers)
    lines = [
        f"{name:6} " + ", ".join(f"{key} {value}" for key, value in phase.items())
        for name, phase in result["phases"].items()
    ]
    lines.append(f"p99 of reads while Stripe is away: {result['ratio_of_p99']} of before")
    lines += [f"{name}: {'kept' if is_kept else 'NOT KEPT'}" for name, is_kept in result["kept"].items()]
    tell(result, lines, as_json=options.json)
    sys.exit(not all(result["kept"].values()))


if __name__ == "__main__":
    main()
