"""What an answer costs: `POST /v1/games/{id}/answers` of Learn2Play against a Starlette route with one asyncpg insert.

    python benchmarks/answers.py [--seconds 4] [--rounds 5] [--connections 50] [--json]

Each connection is a participant of one game and answers one question after the other. Both verify the tokens; only
Learn2Play checks the answer, its time and its player, and logs the request. The figure is answers a CPU-second of the server
process; rounds alternate and the median counts.
"""

import asyncio
import contextlib
import secrets
import statistics
import sys
from typing import Any

import asyncpg
from jose import jwt

from dbcommon.dsn import DatabaseUrl
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

WANTED = 0.35
QUESTIONS = 60_000

# The lease never ends, so that no driver closes the questions, all of which are open.
FILL = """
    WITH lobby AS (
        INSERT INTO lobbies (name, status, max_players) VALUES ('Answers', 'in_game', 500) RETURNING id
    ), game AS (
        INSERT INTO games (lobby_id, status, current_question, lease_until)
        SELECT id, 'question', 0, 'infinity' FROM lobby RETURNING id
    ), players AS (
        INSERT INTO users (id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING
    ), seats AS (
        INSERT INTO lobby_players (lobby_id, user_id) SELECT lobby.id, unnest($1::uuid[]) FROM lobby
    ), participants AS (
        INSERT INTO game_participants (game_id, user_id) SELECT game.id, unnest($1::uuid[]) FROM game
    )
    INSERT INTO questions (game_id, question_text, options, correct_answer, order_index, opens_at, closes_at)
    SELECT game.id, '2 + 2?', '["3", "4"]', '4', number, now(), now() + interval '1 day'
    FROM game, generate_series(0, $2 - 1) AS number
    RETURNING id, game_id
"""


async def fill(url: DatabaseUrl, tokens: list[str]) -> tuple[str, list[str]]:
    """A game of these users whose questions are all open: its id, and theirs."""
    users = [jwt.get_unverified_claims(token)["sub"] for token in tokens]
    connection = await asyncpg.connect(**url.connect_arguments(application_name="benchmark"))
    try:
        rows = await connection.fetch(FILL, users, QUESTIONS)
    finally:
        await connection.close()
    return str(rows[0]["game_id"]), [str(row["id"]) for row in rows]


def run(*, seconds: float, rounds: int, connections: int) -> dict[str, Any]:
    """The medians of both servers, and their ratio."""
    with contextlib.ExitStack() as stack:
        urls = stack.enter_context(throw_away_databases("auth", "l2p"))
        environment = {"LOG_FORMAT": "json", "LOG_LEVEL": "info"}
        for service, url in urls.items():
            environment[f"{service.upper()}_DATABASE_URL"] = url.reveal()
            environment[f"{service.upper()}_SECRET"] = secrets.token_urlsafe(32)
        auth = stack.enter_context(serve("auth", "-m", "auth", environment=environment))
        environment["AUTH_JWKS_URL"] = f"http://127.0.0.1:{auth.port}/.well-known/jwks.json"
        tokens = [sign_in(auth.port, number) for number in range(connections)]
        game_id, question_ids = asyncio.run(fill(urls["l2p"], tokens))
        shipped = stack.enter_context(serve("l2p", "-m", "l2p", environment=environment))
        bare = stack.enter_context(serve_program("bare", "bare_answers.py", environment=environment))
        order = {"path": f"/v1/games/{game_id}/answers", "tokens": tokens, "question_ids": question_ids}
        figures: dict[str, list[float]] = {"bare": [], "l2p": []}
        start = 0
        for number in range(rounds + 1):
            for server in (bare, shipped):
                figure, start = measure(server, start=start, seconds=seconds if number else 1, **order)
                figures[server.name] += [figure] if number else []  # the first round only warms
    medians = {name: statistics.median(values) for name, values in figures.items()}
    return {
        "connections": connections,
        "answers_per_cpu_second": {name: round(value) for name, value in medians.items()},
        "ratio_to_bare": round(medians["l2p"] / medians["bare"], 3),
        "wanted": WANTED,
    }


def measure(server: Server, *, start: int, seconds: float, **order: Any) -> tuple[float, int]:
    """Answers a CPU-second in one round, and where the next round begins."""
    before = server.cpu_seconds()
    result = put_load("answers_load.py", seconds=seconds, port=server.port, start=start, **order)
    return result["answers"] / (server.cpu_seconds() - before), result["next"]


def main() -> None:
    """Read the options, measure, print. Exits with 1 when Learn2Play is below the required ratio."""
    options = read_options(
        "The cost of an answer, in answers a CPU-second.", seconds=4.0, rounds=5, connections=50
    )
    result = run(seconds=options.seconds, rounds=options.rounds, connections=options.connections)
    figures = result["answers_per_cpu_second"].items()
    lines = [f"{name:8} {figure:7,} answers a CPU-second" for name, figure in figures]
    lines.append(f"an answer reaches {result['ratio_to_bare']:.3f} of bare (wanted: at least {WANTED})")
    tell(result, lines, as_json=options.json)
    sys.exit(result["ratio_to_bare"] < WANTED)


if __name__ == "__main__":
    main()
