"""`python -m standins.stripe`: the stand-in as a process, to try payments by hand."""

import argparse
import os
import sys

import uvicorn

from standins.stripe.app import create_app
from standins.stripe.standin import StandIn
from standins.stripe.webhooks import Endpoint


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m standins.stripe",
        description="A stand-in for Stripe, on 127.0.0.1 only. Any key sk_test_… or pk_test_… is taken; nothing is "
        "stored beyond the process.",
        epilog="The secrets that sign webhooks are read from STRIPE_WEBHOOK_SECRETS, separated by commas; without any, no "
        "webhook is sent.",
    )
    parser.add_argument("--port", type=int, default=8420, help="the port to listen on (8420)")
    parser.add_argument("--webhook-url", action="append", default=[], help="where events go; repeatable")
    return parser.parse_args(arguments)


def main() -> None:
    """Serve until a signal."""
    options = read_arguments(sys.argv[1:])
    secrets = [each for each in os.environ.get("STRIPE_WEBHOOK_SECRETS", "").split(",") if each]
    endpoints = [Endpoint(url=url, secrets=secrets) for url in options.webhook_url if secrets]
    base_url = f"http://127.0.0.1:{options.port}"
    sys.stdout.write(f"STRIPE_API_BASE={base_url}\n")
    sys.stdout.flush()
    app = create_app(StandIn(base_url=base_url, endpoints=endpoints))
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
