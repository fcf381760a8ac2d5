"""All routes of a service at once, by six callers each, while PostgreSQL says nothing, or while no connection is free."""

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

import auth.main
import auth.settings
import l2p.main
import l2p.settings
import payment.main
import payment.settings
import videovault.main
import videovault.settings
from dbcommon.settings import DatabaseSettings
from tests.clients import running
from tests.servers import TestServer
from tests.tokens import TokenMint
from webcommon.app import Service

CALLERS = 6

LONGEST_SECONDS = 6.0
"""Twice what is promised, for a machine that is busy; in a queue the sixth would wait for twelve."""

SERVICES: dict[str, tuple[Callable[..., Service], Callable[..., Any]]] = {
    "auth": (auth.main.create_app, auth.settings.Settings),
    "l2p": (l2p.main.create_app, l2p.settings.Settings),
    "payment": (payment.main.create_app, payment.settings.Settings),
    "videovault": (videovault.main.create_app, videovault.settings.Settings),
}

LOGIN = {"login": "ada", "password": "seven quiet harbours"}
REGISTRATION = {"email": "ada@example.com", "username": "ada", "password": "seven quiet harbours"}

BODIES: dict[tuple[str, str], Any] = {
    ("post", "/v1/auth/register"): REGISTRATION,
    ("post", "/v1/auth/login"): LOGIN,
    ("post", "/v1/auth/password/forgot"): {"email": "ada@example.com"},
    ("post", "/v1/auth/email/resend"): {"email": "ada@example.com"},
    ("post", "/v1/auth/email/verify"): {"token": "A" * 43},
    ("post", "/v1/lobbies"): {"name": "Friday quiz", "max_players": 8},
    ("post", "/v1/products"): {"sku": "tea", "name": "Tea", "unit_price": "20.14", "currency": "eur"},
    ("post", "/v1/orders"): {"items": [{"sku": "tea", "quantity": 2}]},
    ("post", "/v1/videos"): {
        "file_path": "/films/a.mkv",
        "file_name": "a.mkv",
        "file_size": 1,
        "mime_type": "video/x-matroska",
    },
}
"""What is sent to routes that want a body; others get none, and what they answer then needs no database."""

ASKS_DATABASE = re.compile(r"/v1/(?!persistence|oauth/google/|lobbies/by-code).*|/dev/mails")
"""Paths that cannot answer without the database. What others show may be known; they have to be as quick."""


@pytest.fixture(scope="module")
def migrated(own_server: TestServer) -> TestServer:
    """A server of this module's own, with the tables of all services."""
    own_server.migrate()
    return own_server


@contextlib.contextmanager
def _silent(server: TestServer, pids: list[int]) -> Iterator[None]:
    postmaster = server.cluster.pid
    assert postmaster is not None
    for pid in (postmaster, *pids):
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in (postmaster, *pids):
            os.kill(pid, signal.SIGCONT)


@contextlib.asynccontextmanager
async def _silent_server(server: TestServer, _app: Service) -> AsyncIterator[None]:
    connection = await server.connect()
    rows = await connection.fetch("SELECT pid FROM pg_stat_activity")
    try:
        with _silent(server, [row["pid"] for row in rows]):
            yield
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def _full_pool(_server: TestServer, app: Service) -> AsyncIterator[None]:
    database = app.state.database
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(database.settings.pool.max):
            held = await stack.enter_async_context(database.transaction())
            await held.execute(text("SELECT 1"))
        yield


States = Callable[[TestServer, Service], contextlib.AbstractAsyncContextManager[None]]


def _requests(app: Service, headers: dict[str, str]) -> list[dict[str, Any]]:
    """One for each operation that asks the database: reads by any path, the others where there is a body for them."""
    return [
        {
            "method": method.upper(),
            "url": re.sub(r"\{\w+\}", str(uuid4()), path),
            "headers": headers | {"Idempotency-Key": "one"},
            "json": BODIES.get((method, path)),
        }
        for path, operations in app.openapi()["paths"].items()
        for method in operations
        if method == "get" or (method, path) in BODIES
    ]


async def _time(client: httpx.AsyncClient, request: dict[str, Any]) -> tuple[httpx.Response, float]:
    started = time.monotonic()
    answer = await client.request(**request)
    return answer, time.monotonic() - started


@pytest.mark.long  # each state lasts as long as its time-outs do
@pytest.mark.parametrize("state", [_silent_server, _full_pool], ids=["silent server", "full pool"])
@pytest.mark.parametrize("service", SERVICES)
async def test_six_callers_of_each_route_are_answered_in_time(
    migrated: TestServer, mint: TokenMint, service: str, state: States, tmp_path: Path
) -> None:
    create_app, settings = SERVICES[service]
    database = DatabaseSettings(url=migrated.url(service))
    own = {"mail_folder": str(tmp_path)} if service == "auth" else {}
    app = create_app(settings(database=database, secret=SecretStr("s" * 32), **own), issuers=[mint.issuer])
    headers = {"Authorization": f"Bearer {mint.token(roles=('user', 'admin'))}"}
    async with running(app) as client:
        requests = _requests(app, headers)
        for request in requests:  # the caller is stored, and what is read once is read
            if request["url"] != "/v1/revocations":  # which gives an answer again for half a second
                await client.request(**request)
        async with state(migrated, app):
            calls = (_time(client, request) for request in requests for _ in range(CALLERS))
            for answer, seconds in await asyncio.gather(*calls):
                asked = answer.request
                told = f"{asked.method} {asked.url.path}: {answer.status_code} after {seconds:.1f} s"
                assert seconds < LONGEST_SECONDS, told
                if ASKS_DATABASE.fullmatch(asked.url.path):
                    assert answer.status_code == 503, told
                    assert int(answer.headers["retry-after"]) >= 1, told
