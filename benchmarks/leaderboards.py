"""What a page of a leaderboard of many players takes: the first page, the next one, and around the first, middle and last.

    python benchmarks/leaderboards.py [--players 1000000] [--requests 300] [--json]

Ratings, scores and wins are written by plain SQL, counted by the triggers, and merged by the service, in a throw-away
PostgreSQL. One client asks, one request after another; a page has 50 rows. Exits with 1 when a p95 is above 50 ms.
"""

import argparse
import asyncio
import secrets
import statistics
import sys
import time
from collections.abc import Mapping
from typing import Any

import asyncpg
import httpx

from dbcommon.dsn import DatabaseUrl
from measuring import serve, sign_in, tell, throw_away_databases

WANTED_MS = 50.0
PLACES = ("first", "middle", "last")
PATIENCE_SECONDS = 300.0

FILL = {
    "ratings": "INSERT INTO users (username, rating) SELECT 'player' || n, (1500 + 400 * sqrt(-2 * ln(random() + 1e-9))"
    " * cos(2 * pi() * random()))::integer FROM generate_series(1, $1) AS n",
    "scores": "INSERT INTO standings (board, period, user_id, value)"
    " SELECT 'score', 'all', id, 1 + (random() * 200000)::integer FROM users LIMIT $1",
    "wins": "INSERT INTO standings (board, period, user_id, value)"
    " SELECT 'wins', 'all', id, 1 + (random() * 20)::integer FROM users LIMIT $1",
}

PUT = """
    UPDATE users SET rating = (SELECT {place} FROM (
        SELECT min(rating) - 1 AS last, max(rating) + 1 AS first,
            percentile_disc(0.5) WITHIN GROUP (ORDER BY rating) AS middle
        FROM users) AS found)
    WHERE username = '{username}'
"""


async def fill(url: DatabaseUrl, *, players: int) -> dict[str, float]:
    """Write the boards; gives the seconds of each."""
    connection = await asyncpg.connect(**url.connect_arguments(application_name="benchmark"))
    seconds = {}
    try:
        await connection.execute("SET statement_timeout = 0; SET lock_timeout = 0")
        for name, statement in FILL.items():
            began = time.monotonic()
            await connection.execute(statement, players, timeout=600)
            seconds[name] = round(time.monotonic() - began, 1)
    finally:
        await connection.close()
    return seconds


async def put_players(url: DatabaseUrl) -> None:
    """Give the callers their places, and wait until the service has merged the counts."""
    connection = await asyncpg.connect(**url.connect_arguments(application_name="benchmark"))
    try:
        for number, place in enumerate(PLACES):
            await connection.execute(PUT.format(place=place, username=f"person{number}"))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while await connection.fetchval("SELECT EXISTS (SELECT FROM standing_counts WHERE NOT is_merged)"):
            if time.monotonic() > deadline:
                raise RuntimeError("the counts were not merged")
            await asyncio.sleep(1)
    finally:
        await connection.close()


async def measure(port: int, path: str, *, token: str, requests: int) -> dict[str, float]:
    """Milliseconds of a request: p50, p95 and the longest."""
    times = []
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
        for number in range(requests + 20):
            began = time.perf_counter()
            (await client.get(path)).raise_for_status()
            if number >= 20:  # the first ones warm
                times.append((time.perf_counter() - began) * 1000)
    cuts = statistics.quantiles(times, n=20)
    return {"p50": round(cuts[9], 1), "p95": round(cuts[18], 1), "most": round(max(times), 1)}


async def find_next(port: int, path: str, *, token: str) -> str:
    """The path of the page that follows."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
        return f"{path}&cursor={(await client.get(path)).json()['next_cursor']}"


async def measure_all(port: int, tokens: Mapping[str, str], *, requests: int) -> dict[str, dict[str, float]]:
    """The figures of each page."""
    figures = {}
    for by in ("rating", "score", "wins"):
        path = f"/v1/leaderboard?by={by}"
        middle = tokens["middle"]
        figures[f"{by}: first page"] = await measure(port, path, token=middle, requests=requests)
        following = await find_next(port, path, token=middle)
        figures[f"{by}: second page"] = await measure(port, following, token=middle, requests=requests)
    for place, token in tokens.items():
        path = "/v1/leaderboard?by=rating&around=me"
        figures[f"rating: around the {place}"] = await measure(port, path, token=token, requests=requests)
    return figures


def run(*, players: int, requests: int) -> dict[str, Any]:
    """The seconds that filling took, and the milliseconds of each page."""
    with throw_away_databases("l2p") as urls:
        environment = {
            "L2P_DATABASE_URL": urls["l2p"].reveal(),
            "L2P_SECRET": secrets.token_urlsafe(32),
            "LOG_LEVEL": "warning",
        }
        seconds = asyncio.run(fill(urls["l2p"], players=players))
        with serve("l2p", "-m", "l2p", environment=environment) as server:
            tokens = {place: sign_in(server.port, number) for number, place in enumerate(PLACES)}
            asyncio.run(put_players(urls["l2p"]))
            figures = asyncio.run(measure_all(server.port, tokens, requests=requests))
    return {"players": players, "fill_seconds": seconds, "milliseconds": figures, "wanted_p95": WANTED_MS}


def main() -> None:
    """Read the options, measure, print. Exits with 1 when a page is slower than wanted."""
    parser = argparse.ArgumentParser(description="The milliseconds of a page of a leaderboard.")
    parser.add_argument("--players", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    result = run(players=options.players, requests=options.requests)
    lines = [f"{name:26} {figures}" for name, figures in result["milliseconds"].items()]
    tell(result, [*lines, f"seconds to write: {result['fill_seconds']}"], as_json=options.json)
    sys.exit(max(figures["p95"] for figures in result["milliseconds"].values()) > WANTED_MS)


if __name__ == "__main__":
    main()
