"""Clients of an application that runs in the test's own loop."""

import contextlib
from collections.abc import AsyncIterator

import httpx

from webcommon.app import Service


@contextlib.asynccontextmanager
async def running(app: Service) -> AsyncIterator[httpx.AsyncClient]:
    """Start `app` (its pool, its background work) and give a client of it; stop it at the end."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        yield client
