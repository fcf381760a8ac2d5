"""`python -m standins.stripe`: the stand-in as a process, as a stack starts it, or to try payments by hand."""

import argparse
import os
import socket
import sys

import uvicorn

from standins.stripe.app import create_app
from standins.stripe.standin import StandIn
from standins.stripe.webhooks import Endpoint

WEBHOOK_SECRET = "whsec_quartet_standin"
"""Signs webhooks unless others are given."""


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m standins.stripe",
        description="A stand-in for Stripe. Any key sk_test_… or pk_test_… is taken; nothing is "
        "stored beyond the process.",
        epilog=f"The secrets that sign webhooks are read from STRIPE_WEBHOOK_SECRETS, separated by commas; without any it is "
        f"{WEBHOOK_SECRET}.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8420, help="the port to listen on (8420)")
    parser.add_argument(
        "--url", help="where browsers find it (http://127.0.0.1:PORT); its pages' links begin so"
    )
    parser.add_argument("--webhook-url", action="append", default=[], help="where events go; repeatable")
    return parser.parse_args(arguments)


def main() -> None:
    """Serve until a signal."""
    options = read_arguments(sys.argv[1:])
    given = os.environ.get("STRIPE_WEBHOOK_SECRETS", "").split(",")
    secrets = [each.strip() for each in given if each.strip()] or [WEBHOOK_SECRET]
    endpoints = [Endpoint(url=url, secrets=secrets) for url in options.webhook_url]
    base_url = options.url or f"http://127.0.0.1:{options.port}"
    sys.stdout.write(f"STRIPE_API_BASE={base_url}\n")
    sys.stdout.flush()
    app = create_app(StandIn(base_url=base_url, endpoints=endpoints))
    config = uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        log_level="warning",
        timeout_graceful_shutdown=1,
        # Longer than clients keep a connection, so that none is used that is just being closed.
        timeout_keep_alive=240,
    )
    uvicorn.Server(config).run(sockets=take_listeners())


def take_listeners() -> list[socket.socket] | None:
    """The sockets that `quartet up` handed to this process; None when it was started otherwise."""
    inherited = os.environ.pop("INHERITED_LISTENERS", "")
    return [
        socket.socket(fileno=int(descriptor)) for descriptor in inherited.split(",") if descriptor
    ] or None


if __name__ == "__main__":
    main()
