"""`python -m standins.openid_provider`: the provider as a process, to try sign-in with Google by hand."""

import argparse
import hashlib
import os
import secrets
import sys

import uvicorn

from standins.openid_provider.app import create_app
from standins.openid_provider.faults import Fault
from standins.openid_provider.provider import Client, Person, Provider

DEFAULT_REDIRECT_URI = "http://localhost:5500/v1/oauth/google/callback"


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m standins.openid_provider",
        description="An OpenID provider in place of Google, on 127.0.0.1 only.",
    )
    parser.add_argument("--port", type=int, default=5590, help="the port to listen on (5590)")
    parser.add_argument("--client-id", default="quartet", help="the client's id (quartet)")
    parser.add_argument(
        "--redirect-uri",
        action="append",
        help=f"a redirect URI of the client; repeatable ({DEFAULT_REDIRECT_URI})",
    )
    parser.add_argument(
        "--person",
        action="append",
        metavar="EMAIL[:unverified]",
        help="an account; repeatable (ada@example.com and bob@example.com:unverified)",
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        type=Fault,
        choices=list(Fault),
        help="a fault to simulate; repeatable",
    )
    parser.epilog = (
        "The client's secret is read from OPENID_CLIENT_SECRET; without it one is generated and printed."
    )
    return parser.parse_args(arguments)


def make_person(text: str) -> Person:
    """An account with this address. Its subject is derived from the address."""
    email, _, mark = text.partition(":")
    return Person(
        subject=str(int.from_bytes(hashlib.sha256(email.encode()).digest()[:8], "big")),
        email=email,
        email_verified=mark != "unverified",
        name=email.partition("@")[0],
    )


def main() -> None:
    """Serve until a signal."""
    options = read_arguments(sys.argv[1:])
    secret = os.environ.get("OPENID_CLIENT_SECRET") or secrets.token_urlsafe(24)
    issuer = f"http://localhost:{options.port}"
    client = Client(
        id=options.client_id,
        secret=secret,
        redirect_uris=tuple(options.redirect_uri or [DEFAULT_REDIRECT_URI]),
    )
    people = options.person or ["ada@example.com", "bob@example.com:unverified"]
    provider = Provider(issuer=issuer, client=client, people=[make_person(text) for text in people])
    provider.faults |= set(options.fault)
    shown = "as given" if "OPENID_CLIENT_SECRET" in os.environ else secret
    sys.stdout.write(f"GOOGLE_ISSUER={issuer}\nGOOGLE_CLIENT_ID={client.id}\nGOOGLE_CLIENT_SECRET={shown}\n")
    sys.stdout.flush()
    uvicorn.run(create_app(provider), host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
