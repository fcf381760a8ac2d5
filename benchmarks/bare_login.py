"""The baseline of `liveness.py`: Starlette and argon2id on as many threads as there are cores, and nothing else.

Run as `python benchmarks/bare_login.py PORT`. Whoever sends the one password is told that it fits.
"""

import os

import anyio.to_thread
from argon2 import PasswordHasher
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from measuring import PASSWORD, answer
from webcommon.accounts.passwords import MEMORY_KIB, PARALLELISM, TIME_COST

hasher = PasswordHasher(memory_cost=MEMORY_KIB, time_cost=TIME_COST, parallelism=PARALLELISM)
stored = hasher.hash(PASSWORD)
limiter = anyio.CapacityLimiter(os.cpu_count() or 1)


async def live(_request: Request) -> PlainTextResponse:
    """The liveness probe."""
    return PlainTextResponse("live")


async def log_in(request: Request) -> JSONResponse:
    """Verify the password of a body as Auth's route takes it."""
    password = (await request.json())["password"]
    await anyio.to_thread.run_sync(hasher.verify, stored, password, limiter=limiter)
    return JSONResponse({"token_type": "Bearer"})


app = Starlette(routes=[Route("/livez", live), Route("/v1/auth/login", log_in, methods=["POST"])])

if __name__ == "__main__":
    answer(app)
