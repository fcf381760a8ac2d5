"""The baseline of `webhooks.py`: Starlette and asyncpg, one insert into `stripe_events`, and no check.

Run as `python benchmarks/bare_webhooks.py PORT`, with the environment of Payment.
"""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bare_app import leave_alone
from measuring import answer
from payment.settings import Settings

INSERT = """
    INSERT INTO stripe_events (id, type, api_version, livemode, subject, body, done_at)
    VALUES ($1, $2, $3, $4, $5, $6, now())
"""


async def take_event(request: Request) -> JSONResponse:
    """Store an event."""
    body = await request.body()
    event = json.loads(body)
    await request.app.state.pool.execute(
        INSERT,
        event["id"],
        event["type"],
        event["api_version"],
        event["livemode"],
        event["data"]["object"]["id"],
        body.decode(),
    )
    return JSONResponse({"received": True})


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """A pool of the suite's size that resets nothing, as the suite's own does."""
    database = Settings.from_environment().database
    if database is None:
        raise ValueError("PAYMENT_DATABASE_URL is not set")
    arguments: dict[str, Any] = database.url.connect_arguments(application_name="bare")
    numbers = database.pool
    async with asyncpg.create_pool(
        **arguments, min_size=numbers.min, max_size=numbers.max, reset=leave_alone
    ) as pool:
        app.state.pool = pool
        yield


app = Starlette(routes=[Route("/v1/webhooks/stripe", take_event, methods=["POST"])], lifespan=lifespan)

if __name__ == "__main__":
    answer(app)
