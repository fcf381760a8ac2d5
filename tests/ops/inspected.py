"""The command `quartet`, told of a test's server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg

from tests.ops.command import Workplace
from tests.servers import TestServer


def settings_for(server: TestServer) -> dict[str, str]:
    """The settings by which the command finds the server and knows its passwords."""
    told = {
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(server.cluster.port),
        "POSTGRES_PASSWORD": server.password,
        "BACKUP_DB_PASSWORD": server.plan.backup_password,
    }
    for service in server.plan:
        told[f"{service.service.upper()}_DB_PASSWORD"] = service.user_password
        told[f"{service.service.upper()}_DB_OWNER_PASSWORD"] = service.owner_password
    return told


async def call(place: Workplace, *arguments: str, **told: str) -> Any:
    """`Workplace.call` from a test that has a loop of its own."""
    return await asyncio.to_thread(place.call, *arguments, **told)


@contextlib.asynccontextmanager
async def connected(
    server: TestServer, service: str = "l2p", role: str = "user", *, database: str | None = None
) -> AsyncIterator[Any]:
    """A connection as a role of a service, closed at the end whatever became of it."""
    url = server.url(service, role=role, database=database)
    connection = await asyncpg.connect(**url.connect_arguments(application_name="a test"))
    try:
        yield connection
    finally:
        connection.terminate()
