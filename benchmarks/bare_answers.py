"""The baseline of `answers.py`: Starlette and asyncpg, the token verified, one insert into `answers`, and no check.

Run as `python benchmarks/bare_answers.py PORT`, with the environment of Learn2Play.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bare_app import leave_alone
from l2p.settings import Settings
from measuring import answer
from webcommon.auth.bearer import Issuer, TokenVerifier
from webcommon.auth.jwks import JwksCache
from webcommon.observability.tracing import TracedClient

INSERT = """
    INSERT INTO answers (participant_id, question_id, answer, is_correct, time_taken_ms) VALUES ($1, $2, $3, true, 500)
"""


async def answer_question(request: Request) -> JSONResponse:
    """Store an answer of the caller."""
    state = request.app.state
    caller = await state.verifier.verify(request.headers["authorization"].removeprefix("Bearer "))
    body = await request.json()
    await state.pool.execute(INSERT, state.participants[caller.id], UUID(body["question_id"]), body["answer"])
    return JSONResponse({"accepted": True, "time_taken_ms": 500}, status_code=202)


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """A pool of the suite's size that resets nothing, as the suite's own does, and the participants by their user."""
    settings = Settings.from_environment()
    if settings.database is None:
        raise ValueError("L2P_DATABASE_URL is not set")
    arguments: dict[str, Any] = settings.database.url.connect_arguments(application_name="bare")
    numbers = settings.database.pool
    async with (
        TracedClient(timeout=5.0) as client,
        asyncpg.create_pool(
            **arguments, min_size=numbers.min, max_size=numbers.max, reset=leave_alone
        ) as pool,
    ):
        keys = JwksCache(settings.jwks_url, client=client)
        async with keys.running():
            app.state.verifier = TokenVerifier(
                Issuer(issuer=settings.auth_issuer, audience=settings.auth_audience, keys=keys)
            )
            app.state.pool = pool
            rows = await pool.fetch("SELECT user_id, id FROM game_participants")
            app.state.participants = {row["user_id"]: row["id"] for row in rows}
            yield


app = Starlette(
    routes=[Route("/v1/games/{game_id}/answers", answer_question, methods=["POST"])], lifespan=lifespan
)

if __name__ == "__main__":
    answer(app)
