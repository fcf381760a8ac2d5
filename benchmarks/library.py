"""What a page of a library of a million videos takes, for each filter with each order, beside SQL written by hand.

    python benchmarks/library.py [--videos 1000000] [--requests 10] [--json]

Rows are copied into a throw-away PostgreSQL without indexes and with the triggers off, so there is no log of their making; their
words are the service's own. One client asks over HTTP, one request after another. The SQL by hand is the plain statement with
its values in it, over the driver, and counts nothing. Exits with 1 when a figure is above the bound that is printed with it.
"""

import argparse
import asyncio
import secrets
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import asyncpg
import httpx

from dbcommon.dsn import DatabaseUrl
from library_rows import COLUMNS, TAG_COLUMNS, make_library
from measuring import serve, sign_in, tell, throw_away_databases

BOUNDS_MS = {"page": 60.0, "query": 100.0, "tags": 300.0}
BATCH = 20_000

SORTS = {
    "-created_at": "created_at DESC, id DESC",
    "created_at": "created_at, id",
    "file_name": 'file_name COLLATE "C", id',
    "-name": "coalesce(name_key, '') DESC, id DESC",
    "duration_seconds": "coalesce(duration_seconds, -1), id",
    "-duration_seconds": "coalesce(duration_seconds, -1) DESC, id DESC",
    "file_size": "file_size, id",
    "-file_size": "file_size DESC, id DESC",
    "random:7": "random_key, id",
}
FILTERS: dict[str, tuple[dict[str, Any], str]] = {
    "none": ({}, "true"),
    "most": ({"mime_type": "video/mp4"}, "mime_type = 'video/mp4'"),
    "5,000": ({"mime_type": "video/3gpp"}, "mime_type = 'video/3gpp'"),
    "100": ({"mime_type": "video/mp2t"}, "mime_type = 'video/mp2t'"),
    "long": ({"min_duration": 3000}, "coalesce(duration_seconds, -1) >= 3000"),
    "short": ({"max_duration": 30}, "coalesce(duration_seconds, -1) BETWEEN 0 AND 30"),
    "large": ({"min_size": 10**9}, "file_size >= 1000000000"),
    "small": ({"max_size": 10**7}, "file_size <= 10000000"),
    "new": ({"created_after": "2026-04-01T00:00:00Z"}, "created_at > '2026-04-01Z'"),
    "missing": ({"missing": "yes"}, "missing_since IS NOT NULL"),
    "there": ({"missing": "no"}, "missing_since IS NULL"),
    "long and there": (
        {"min_duration": 3000, "missing": "no"},
        "coalesce(duration_seconds, -1) >= 3000 AND missing_since IS NULL",
    ),
    "missing webm": (
        {"mime_type": "video/webm", "missing": "yes"},
        "mime_type = 'video/webm' AND missing_since IS NOT NULL",
    ),
}
"""Parameters, and the condition by hand; those of tags and words come with the library."""


def copy_rows(owner: DatabaseUrl, count: int, numbers: range) -> None:
    """Copy the videos with these numbers, and their tags."""

    async def copy() -> None:
        connection = await connect(owner)
        videos: list[tuple[object, ...]] = []
        tags: list[tuple[object, ...]] = []

        async def flush() -> None:
            await connection.copy_records_to_table("videos", records=videos, columns=COLUMNS)
            await connection.copy_records_to_table("tags", records=tags, columns=TAG_COLUMNS)
            videos.clear()
            tags.clear()

        for video, its_tags in make_library(count, numbers):
            videos.append(video)
            tags.extend(its_tags)
            if len(videos) == BATCH:
                await flush()
        await flush()
        await connection.close()

    asyncio.run(copy())


async def connect(url: DatabaseUrl) -> "asyncpg.Connection[Any]":
    """A connection without time-outs."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(
        **url.connect_arguments(application_name="benchmark")
    )
    await connection.execute(
        "SET statement_timeout = 0; SET lock_timeout = 0; SET maintenance_work_mem = '512MB'"
    )
    return connection


CONSTRAINTS = """
    SELECT conrelid::regclass::text AS table, conname AS name, pg_get_constraintdef(oid) AS definition
    FROM pg_constraint WHERE (conrelid = 'tags'::regclass AND contype IN ('p', 'u', 'f'))
        OR (conrelid = 'videos'::regclass AND contype = 'u')
    ORDER BY contype = 'f'
"""
INDEXES = """
    SELECT indexname AS name, indexdef AS definition FROM pg_indexes
    WHERE tablename IN ('videos', 'tags') AND indexname LIKE 'ix\\_%'
"""
VOCABULARY = """
    INSERT INTO vocabulary (word, edits)
    SELECT w, edits_of(w) FROM (SELECT DISTINCT unnest(words) FROM videos) n (w) WHERE length(w) >= 3 AND w !~ '[0-9]'
"""


async def fill(owner: DatabaseUrl, *, videos: int) -> None:
    """Write the library, its indexes and its vocabulary."""
    connection = await connect(owner)
    constraints, indexes = await connection.fetch(CONSTRAINTS), await connection.fetch(INDEXES)
    for each in reversed(constraints):
        await connection.execute(f"ALTER TABLE {each['table']} DROP CONSTRAINT {each['name']}")
    for each in indexes:
        await connection.execute(f"DROP INDEX {each['name']}")
    for table in ("videos", "tags"):
        await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    middle = videos // 2
    with ProcessPoolExecutor(2) as pool:
        loop = asyncio.get_running_loop()
        halves = (range(middle), range(middle, videos))
        await asyncio.gather(
            *(loop.run_in_executor(pool, copy_rows, owner, videos, numbers) for numbers in halves)
        )
    for each in constraints:
        await connection.execute(
            f"ALTER TABLE {each['table']} ADD CONSTRAINT {each['name']} {each['definition']}"
        )
    for each in indexes:
        await connection.execute(each["definition"])
    await connection.execute(VOCABULARY)
    for table in ("videos", "tags"):
        await connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def find_words(connection: "asyncpg.Connection[Any]", most: int) -> str:
    """A word that many videos have, but at most so many."""
    word: str = await connection.fetchval(
        "SELECT w FROM (SELECT unnest(words) AS w FROM videos TABLESAMPLE SYSTEM (5)) s WHERE w ~ '^[a-z]{6,}$'"
        " GROUP BY w HAVING count(*) BETWEEN $1 AND $2 ORDER BY count(*) DESC, w LIMIT 1",
        most // 25,
        most // 20,
    )
    return word


async def add_found(
    connection: "asyncpg.Connection[Any]", videos: int
) -> dict[str, tuple[dict[str, Any], str]]:
    """Filters by tags and words that so many videos have."""
    common = await find_words(connection, videos // 120)
    rare = await find_words(connection, videos // 500)
    tags = await connection.fetch(
        "SELECT folded_category AS category, folded_name AS name, count(*) FROM tags GROUP BY 1, 2 ORDER BY 3 DESC"
    )
    found: dict[str, tuple[dict[str, Any], str]] = {}
    has = "EXISTS (SELECT FROM tags t WHERE t.video_id = v.id AND t.folded_category = '{}' AND t.folded_name = '{}')"
    for title, tag in (("commonest tag", tags[0]), ("a tag", tags[50]), ("a rare tag", tags[1500])):
        condition = has.format(tag["category"], tag["name"])
        found[title] = ({"tag": f"{tag['category']}:{tag['name']}"}, condition)
        found[f"without {title}"] = ({"tag": f"-{tag['category']}:{tag['name']}"}, f"NOT {condition}")
    for title, words in (("a word", (common,)), ("a rarer word", (rare,)), ("two words", (common, rare))):
        expression = " & ".join(f"'{word}'" for word in words)
        expression = expression.replace("'", "''")
        found[title] = ({"q": " ".join(words)}, f"array_to_tsvector(words) @@ '{expression}'::tsquery")
    found["a word with a typo"] = ({"q": f"{common[0]}{common[2]}{common[1]}{common[3:]}"}, "")
    found["a phrase"] = ({"q": f'"{common}"'}, "")
    return found


async def read(client: httpx.AsyncClient, path: str, parameters: dict[str, Any]) -> None:
    """Ask for a page. Raises `httpx.HTTPStatusError` when it is refused."""
    (await client.get(path, params=parameters)).raise_for_status()


async def time_each(ask: Callable[[], Awaitable[object]], *, requests: int) -> float:
    """The p95 in ms."""
    times = []
    for number in range(requests + 2):
        began = time.perf_counter()
        await ask()
        if number >= 2:  # the first ones warm
            times.append((time.perf_counter() - began) * 1000)
    return round(statistics.quantiles(times, n=20, method="inclusive")[18], 1)


async def measure_pages(
    client: httpx.AsyncClient,
    connection: "asyncpg.Connection[Any]",
    filters: dict[str, Any],
    *,
    requests: int,
) -> dict[str, dict[str, float]]:
    """The p95 of a page by each filter and order: of the service, and of SQL by hand."""
    figures: dict[str, dict[str, float]] = {}
    for title, (parameters, condition) in filters.items():
        for sort, order in {**SORTS, **({"relevance": ""} if "q" in parameters else {})}.items():
            ask = partial(read, client, "/v1/videos", {**parameters, "sort": sort})
            figure = {"service": await time_each(ask, requests=requests)}
            if condition and order:
                statement = f"SELECT * FROM videos v WHERE {condition} ORDER BY {order} LIMIT 50"  # noqa: S608 - of our own text
                figure["by hand"] = await time_each(partial(connection.fetch, statement), requests=2)
            figures[f"{title}, {sort}"] = figure
    return figures


async def measure_depth(client: httpx.AsyncClient, *, requests: int) -> dict[str, float]:
    """How many times the first page page 1,000 takes."""
    ratios = {}
    for sort in ("-created_at", "name", "random:7"):
        first: dict[str, Any] = {"sort": sort, "limit": 50}
        cursor: dict[str, str] = {}
        for _ in range(999):
            page = (await client.get("/v1/videos", params={**first, **cursor})).json()
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        times = []
        for asked in (first, {**first, **cursor}):
            ask = partial(read, client, "/v1/videos", asked)
            times.append(await time_each(ask, requests=5 * requests))
        ratios[sort] = round(times[1] / times[0], 2)
    return ratios


async def measure_tags(
    client: httpx.AsyncClient, filters: dict[str, Any], *, requests: int
) -> dict[str, float]:
    """The p95 of counting tags."""
    figures = {}
    for title in ("new", "5,000", "missing", "a tag", "a word", "long"):
        ask = partial(read, client, "/v1/tags", filters[title][0])
        figures[title] = await time_each(ask, requests=requests)
    return figures


async def measure(port: int, url: DatabaseUrl, *, token: str, videos: int, requests: int) -> dict[str, Any]:
    """All figures."""
    connection = await connect(url)
    filters = {**FILTERS, **await add_found(connection, videos)}
    headers = {"Authorization": f"Bearer {token}"}
    # The server closes what is idle for seconds, as it is while SQL by hand runs.
    limits = httpx.Limits(keepalive_expiry=1)
    base = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=60, limits=limits) as client:
        totals = {}
        for title, (parameters, _) in filters.items():
            page = (await client.get("/v1/videos", params={**parameters, "limit": 1})).json()
            totals[title] = page["total"]
        result = {
            "totals": totals,
            "page": await measure_pages(client, connection, filters, requests=requests),
            "page 1,000 to page 1": await measure_depth(client, requests=requests),
            "tags": await measure_tags(client, filters, requests=requests),
        }
    await connection.close()
    return result


def run(*, videos: int, requests: int) -> dict[str, Any]:
    """Fill, and measure."""
    owners: dict[str, DatabaseUrl] = {}
    with throw_away_databases("auth", "videovault", owners=owners) as urls:
        environment = {"LOG_LEVEL": "warning"}
        for service, url in urls.items():
            environment[f"{service.upper()}_DATABASE_URL"] = url.reveal()
            environment[f"{service.upper()}_SECRET"] = secrets.token_urlsafe(32)
        began = time.monotonic()
        asyncio.run(fill(owners["videovault"], videos=videos))
        seconds = round(time.monotonic() - began)
        with serve("auth", "-m", "auth", environment=environment) as auth:
            token = sign_in(auth.port, 1)
            environment["AUTH_JWKS_URL"] = f"http://127.0.0.1:{auth.port}/.well-known/jwks.json"
            with serve("videovault", "-m", "videovault", environment=environment) as server:
                figures = asyncio.run(
                    measure(server.port, urls["videovault"], token=token, videos=videos, requests=requests)
                )
    return {"videos": videos, "fill_seconds": seconds, **figures, "bounds": BOUNDS_MS}


def find_slow(result: dict[str, Any]) -> list[str]:
    """What is above its bound."""
    slow = []
    for name, figure in result["page"].items():
        is_query = "word" in name or "phrase" in name
        if figure["service"] > BOUNDS_MS["query" if is_query else "page"]:
            slow.append(name)
    slow += [f"tags, {name}" for name, figure in result["tags"].items() if figure > BOUNDS_MS["tags"]]
    return slow + [
        f"page 1,000, {name}" for name, ratio in result["page 1,000 to page 1"].items() if ratio > 2
    ]


def main() -> None:
    """Read the options, measure, print. Exits with 1 when something is slower than wanted."""
    parser = argparse.ArgumentParser(description="The milliseconds of a page of a large library.")
    parser.add_argument("--videos", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=10)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    result = run(videos=options.videos, requests=options.requests)
    slow = find_slow(result)
    lines = [
        f"{result['videos']} videos written in {result['fill_seconds']} s",
        *(f"{name:40} {figure}" for name, figure in result["page"].items()),
        *(
            f"page 1,000 by {name:26} {ratio} of page 1"
            for name, ratio in result["page 1,000 to page 1"].items()
        ),
        *(f"tags, {name:34} {figure}" for name, figure in result["tags"].items()),
        f"totals: {result['totals']}",
        f"above {result['bounds']}: {slow}",
    ]
    tell({**result, "slow": slow}, lines, as_json=options.json)
    sys.exit(bool(slow))


if __name__ == "__main__":
    main()
