"""What the times of Auth's answers tell of an account: they should tell nothing.

    python benchmarks/indistinguishable.py [--rounds 200] [--json]

For each question that knows the answer must not be told from another, the slowest median over the quickest: ways to fail
at signing in; registering a taken address or a free one; asking for a mail to a known address or an unknown one. Each
round asks once in every way, in random order. What the tests count (hashes, statements) is measured here as it arrives.
"""

import argparse
import asyncio
import itertools
import random
import secrets
import statistics
import sys
import time
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import asyncpg

from dbcommon.dsn import DatabaseUrl
from measuring import PASSWORD, post, serve, sign_in, tell, throw_away_databases

TOLERANCE = 1.1
"""The highest accepted ratio of the slowest median to the quickest."""

UNLIMITED = {
    "AUTH_LOGIN_FAILURES_PER_ACCOUNT": "10000",
    "AUTH_LOGIN_FAILURES_PER_NETWORK": "10000",
    "AUTH_SIGN_UPS_PER_NETWORK": "10000",
    "AUTH_MAIL_REQUESTS_PER_NETWORK": "10000",
}


def seconds_of(port: int, path: str, body: dict[str, str]) -> float:
    """The milliseconds until the answer, whatever its status."""
    started = time.perf_counter()
    try:
        post(port, path, body)
    except urllib.error.HTTPError as refusal:
        refusal.close()
        if refusal.code != 401:
            raise
    return time.perf_counter() - started


def compare(ways: Mapping[str, Callable[[], float]], *, rounds: int) -> dict[str, float]:
    """The median milliseconds of each request."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        # In random order: background work could otherwise fall into step with one of the requests.
        for name in random.sample(list(ways), len(ways)):
            times[name].append(ways[name]())
    return {name: round(1000 * statistics.median(values), 2) for name, values in times.items()}


async def change_accounts(url: DatabaseUrl) -> None:
    """Disable one account and leave another without a password."""
    connection = await asyncpg.connect(url.reveal())
    try:
        await connection.execute("UPDATE users SET disabled_at = now() WHERE username = 'person1'")
        await connection.execute("UPDATE users SET password_hash = NULL WHERE username = 'person2'")
    finally:
        await connection.close()


async def add_accounts(url: DatabaseUrl, number: int) -> list[str]:
    """The addresses of `number` new accounts that have had no mail."""
    emails = [f"{secrets.token_hex(8)}@example.com" for _ in range(number)]
    connection = await asyncpg.connect(url.reveal())
    try:
        await connection.execute(
            "INSERT INTO users (email, username, password_hash)"
            " SELECT email, left(email, 16), 'x' FROM unnest($1::text[]) email",
            emails,
        )
    finally:
        await connection.close()
    return emails


def logins(port: int) -> dict[str, Callable[[], float]]:
    """Requests that fail to sign in, each for another reason."""
    tries = {
        "wrong": ("person0", "wrong password"),
        "unknown": ("nobody-at-all", PASSWORD),
        "unknown address": ("nobody@example.com", PASSWORD),
        "disabled": ("person1", PASSWORD),
        "no password": ("person2", PASSWORD),
    }

    def attempt(login: str, password: str) -> Callable[[], float]:
        body = {"login": login, "password": password}
        return lambda: seconds_of(port, "/v1/auth/login", body)

    return {name: attempt(login, password) for name, (login, password) in tries.items()}


def registrations(port: int, numbers: Iterator[int]) -> dict[str, Callable[[], float]]:
    """Registrations of a taken and of a free address."""

    def register(kind: str, email: str = "") -> float:
        name = f"{kind}{next(numbers)}"
        body = {"email": email or f"{name}@example.com", "username": name, "password": PASSWORD}
        return seconds_of(port, "/v1/auth/register", body)

    return {"taken": lambda: register("taken", "person0@example.com"), "free": lambda: register("free")}


def mail_requests(
    port: int, path: str, known: Iterator[str], numbers: Iterator[int]
) -> dict[str, Callable[[], float]]:
    """Requests for a mail to the next known address, and to an unknown one."""
    return {
        "known": lambda: seconds_of(port, path, {"email": next(known)}),
        "unknown": lambda: seconds_of(port, path, {"email": f"nobody{next(numbers)}@example.com"}),
    }


def run(*, rounds: int) -> dict[str, dict[str, float]]:
    """The median milliseconds of each request, by question."""
    numbers = itertools.count()
    with throw_away_databases("auth") as urls:
        url = urls["auth"]
        environment = {
            **UNLIMITED,
            "AUTH_DATABASE_URL": url.reveal(),
            "AUTH_SECRET": secrets.token_urlsafe(32),
            "LOG_LEVEL": "warning",
        }
        with serve("auth", "-m", "auth", environment=environment) as auth:
            for number in range(3):
                sign_in(auth.port, number)
            asyncio.run(change_accounts(url))
            measured = {
                "login": compare(logins(auth.port), rounds=rounds),
                "register": compare(registrations(auth.port, numbers), rounds=rounds),
            }
            for path in ("/v1/auth/password/forgot", "/v1/auth/email/resend"):
                known = iter(asyncio.run(add_accounts(url, rounds)))
                measured[path] = compare(mail_requests(auth.port, path, known, numbers), rounds=rounds)
    return measured


def main() -> None:
    """Read the options, measure, print. Exits with 1 when times reveal whether an account exists."""
    parser = argparse.ArgumentParser(description="What the times of Auth's answers tell of an account.")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    medians = run(rounds=options.rounds)
    ratios = {name: round(max(each.values()) / min(each.values()), 3) for name, each in medians.items()}
    lines = [f"{name}: {ratios[name]} ({each} ms)" for name, each in medians.items()]
    result: dict[str, Any] = {"milliseconds": medians, "ratios": ratios, "wanted": TOLERANCE}
    tell(result, [*lines, f"wanted: at most {TOLERANCE}"], as_json=options.json)
    sys.exit(max(ratios.values()) > TOLERANCE)


if __name__ == "__main__":
    main()
