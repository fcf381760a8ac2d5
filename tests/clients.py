"""Clients of an application that runs in the test's own loop."""

import contextlib
from collections.abc import AsyncIterator

import httpx

from webcommon.app import Service
from webcommon.passwords import PasswordHasher


def quick_hasher() -> PasswordHasher:
    """For tests that are not about hashing: argon2id of the least cost."""
    return PasswordHasher(memory_kib=8, time_cost=1)


@contextlib.asynccontextmanager
async def running(app: Service) -> AsyncIterator[httpx.AsyncClient]:
    """Start `app` (its pool, its background work) and give a client of it; stop it at the end."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        yield client
