"""What reading costs: pages of 50 rows and one's own account, against a bare Starlette + asyncpg application that gives them.

    python benchmarks/lists.py [--seconds 3] [--rounds 5] [--connections 16] [--json]

Both verify the same tokens with the same verifier and read the same rows of the same PostgreSQL, a throw-away one, each in a
process of its own; a third process asks. The figure is requests a CPU-second of the server process; rounds alternate and
the median counts. The services are measured as they ship, a line in the log for each request included. Before that, both
have to give the same JSON.
"""

import asyncio
import contextlib
import json
import secrets
import statistics
import sys
import urllib.request
from typing import Any

import asyncpg
from jose import jwt

from dbcommon.dsn import DatabaseUrl
from l2p.lobbies.schemas import LobbySettings
from measuring import (
    Server,
    put_load,
    read_options,
    serve,
    serve_program,
    sign_in,
    tell,
    throw_away_databases,
)

WANTED = 0.8
PATHS = {
    "auth": ["/v1/users/me", "/v1/auth/sessions", "/v1/admin/users"],
    "l2p": ["/v1/lobbies"],
    "payment": ["/v1/orders", "/v1/products"],
    "videovault": ["/v1/videos"],
}

OF_ONE = ("/v1/orders", "/v1/auth/sessions")
"""The lists with rows of one account; the others have none."""

FILL = {
    "auth": """
        UPDATE users SET roles = '{user,admin}';
        INSERT INTO users (email, username) SELECT 'user' || n || '@example.com', 'user' || n FROM generate_series(1, 500) n;
        INSERT INTO sessions (user_id, refresh_token, refresh_token_hmac_key, expires_at, rotated_at, ip, user_agent)
        SELECT '{user_id}', 'token ' || n, '', now() + interval '1 day', now(), '192.0.2.17',
            'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0' FROM generate_series(1, 500) n;
        ANALYZE
    """,
    "l2p": """
        INSERT INTO lobbies (id, name, code, max_players, status, settings, created_at)
        SELECT gen_random_uuid(), 'Friday quiz ' || n, 'KX' || n, 8, 'waiting',
            '{settings}',
            now() - n * interval '1 second 1 microsecond' FROM generate_series(1, 500) n;
        ANALYZE
    """,
    "payment": """
        INSERT INTO users (id) VALUES ('{user_id}') ON CONFLICT DO NOTHING;
        INSERT INTO products (id, sku, name, unit_price, currency)
        SELECT gen_random_uuid(), 'sku-' || n, 'Earl Grey, 100 g', 12.5, 'eur' FROM generate_series(1, 500) n;
        BEGIN;
        INSERT INTO orders (id, user_id, total_amount, currency, created_at)
        SELECT gen_random_uuid(), '{user_id}', 37.5, 'eur', now() - n * interval '1 second' FROM generate_series(1, 500) n;
        INSERT INTO order_items (id, order_id, sku, product_name, quantity, unit_price, total_price)
        SELECT gen_random_uuid(), o.id, 'sku-' || n, 'Earl Grey, 100 g', n, 12.5, 12.5 * n
        FROM orders o, generate_series(1, 2) n;
        COMMIT;
        ANALYZE
    """,
    "videovault": """
        INSERT INTO videos (file_path, file_name, file_size, mime_type, duration_seconds, metadata, created_at)
        SELECT '/films/' || n, n || '.mp4', 734003200, 'video/mp4', 1284, '{"width": 1920, "height": 1080}',
            now() - n * interval '1 second' FROM generate_series(1, 500) n;
        INSERT INTO tags (video_id, tag_category, tag_name)
        SELECT v.id, 'time of day', t FROM videos v, unnest(ARRAY['evening', 'late']) t;
        ANALYZE
    """,
}


async def fill(service: str, url: DatabaseUrl, *, user_id: str) -> None:
    """Put rows into a service's tables."""
    connection = await asyncpg.connect(**url.connect_arguments(application_name="benchmark"))
    try:
        settings = LobbySettings().model_dump_json()
        await connection.execute(FILL[service].replace("{user_id}", user_id).replace("{settings}", settings))
    finally:
        await connection.close()


def user_of(token: str) -> str:
    """The id of a token's user."""
    return str(jwt.get_unverified_claims(token)["sub"])


def measure(server: Server, path: str, *, seconds: float, tokens: list[str]) -> float:
    """Requests a CPU-second in one round."""
    before = server.cpu_seconds()
    answers = put_load("load.py", seconds=seconds, port=server.port, path=path, tokens=tokens)
    return int(answers) / (server.cpu_seconds() - before)


def read(server: Server, path: str, *, token: str) -> Any:
    """The JSON that a server answers."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{path}", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - our own server
        return json.load(response)


def compare_answers(pair: tuple[Server, Server], path: str, *, token: str) -> None:
    """Raise RuntimeError unless both answer the same but for the cursor, which each signs for itself."""
    one, other = [read(server, path, token=token) | {"next_cursor": ""} for server in pair]
    if one != other:
        raise RuntimeError(f"{path} is not the same on both")


def compare(
    pair: tuple[Server, Server], path: str, *, seconds: float, rounds: int, tokens: list[str]
) -> dict[str, float]:
    """The medians of the bare application and of the service for one path."""
    figures: dict[str, list[float]] = {server.name: [] for server in pair}
    for number in range(rounds + 1):
        for server in pair:
            figure = measure(server, path, seconds=seconds if number else 1.0, tokens=tokens)
            if number:  # the first round warms: prepared statements, remembered tokens
                figures[server.name].append(figure)
    return {name: statistics.median(values) for name, values in figures.items()}


def run(*, seconds: float, rounds: int, connections: int) -> dict[str, Any]:
    """Requests a CPU-second and the ratio to bare, for each path."""
    result: dict[str, Any] = {"requests_per_cpu_second": {}, "ratio_to_bare": {}, "wanted": WANTED}
    with contextlib.ExitStack() as stack:
        urls = stack.enter_context(throw_away_databases(*PATHS))
        environment = {"LOG_FORMAT": "json", "LOG_LEVEL": "info"}
        for service, url in urls.items():
            environment[f"{service.upper()}_DATABASE_URL"] = url.reveal()
            environment[f"{service.upper()}_SECRET"] = secrets.token_urlsafe(32)
        auth = stack.enter_context(serve("auth", "-m", "auth", environment=environment))
        environment["AUTH_JWKS_URL"] = f"http://127.0.0.1:{auth.port}/.well-known/jwks.json"
        tokens = [sign_in(auth.port, number) for number in range(connections)]
        for service, paths in PATHS.items():
            asyncio.run(fill(service, urls[service], user_id=user_of(tokens[0])))
            shipped = (
                auth
                if service == "auth"
                else stack.enter_context(serve(service, "-m", service, environment=environment))
            )
            bare = stack.enter_context(
                serve_program("bare", "bare_lists.py", service, environment=environment)
            )
            for path in paths:
                senders = tokens[:1] * connections if path in OF_ONE else tokens
                compare_answers((bare, shipped), path, token=senders[0])
                medians = compare((bare, shipped), path, seconds=seconds, rounds=rounds, tokens=senders)
                result["requests_per_cpu_second"][path] = {
                    name: round(value) for name, value in medians.items()
                }
                result["ratio_to_bare"][path] = round(medians[service] / medians["bare"], 3)
    return result


def main() -> None:
    """Read the options, measure, print. Exits with 1 when a list is below the required ratio."""
    options = read_options(
        "The cost of reading, in requests a CPU-second.", seconds=3.0, rounds=5, connections=16
    )
    result = run(seconds=options.seconds, rounds=options.rounds, connections=options.connections)
    lines = (
        f"{path:17} {figures}   {result['ratio_to_bare'][path]:.3f} of bare"
        for path, figures in result["requests_per_cpu_second"].items()
    )
    tell(result, lines, as_json=options.json)
    sys.exit(min(result["ratio_to_bare"].values()) < WANTED)


if __name__ == "__main__":
    main()
