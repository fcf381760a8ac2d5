"""All four services as processes, on the databases of one test server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from dbcommon.settings import DatabaseSettings
from tests.conftest import CopyDatabase
from tests.processes import Running, free_ports, service_process
from tests.servers import PATIENT

FIRST_PATHS = {
    "auth": "/v1/users/me",
    "l2p": "/v1/users/me",
    "payment": "/v1/orders",
    "videovault": "/v1/videos",
}
"""A route of each service that wants a token."""


async def status_with(running: Running, token: str) -> int:
    """What a service answers to this access token."""
    headers = {"Authorization": f"Bearer {token}"}
    return (await running.client.get(FIRST_PATHS[running.service], headers=headers)).status_code


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Two processes of Auth on one database, the second of which the others know nothing of, and the other three."""

    auth: Running
    second_auth: Running
    others: tuple[Running, ...]
    auth_database: DatabaseSettings

    @property
    def everywhere(self) -> tuple[Running, ...]:
        """All processes."""
        return (self.auth, self.second_auth, *self.others)


@contextlib.asynccontextmanager
async def running_stack(
    copy_database: CopyDatabase, *, folder: Path, **settings: str
) -> AsyncIterator[Stack]:
    """The stack until the block ends; `settings` are further variables of all processes."""
    databases = {service: await copy_database(service) for service in FIRST_PATHS}
    names = ("auth", "second_auth", "l2p", "payment", "videovault")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    shared = {
        "AUTH_JWKS_URL": f"http://127.0.0.1:{ports['auth']}/.well-known/jwks.json",
        "AUTH_MAIL_FOLDER": str(folder),
        "DB_POOL_WAIT_SECONDS": str(PATIENT.wait_seconds),
        **settings,
    }
    async with contextlib.AsyncExitStack() as stack:

        async def start(service: str, name: str) -> Running:
            prefix = service.upper()
            environment = {
                **shared,
                f"{prefix}_DATABASE_URL": databases[service].url.reveal(),
                f"{prefix}_SECRET": "s" * 32,
                f"{prefix}_PORT": str(ports[name]),
            }
            return await stack.enter_async_context(
                service_process(service, port=ports[name], environment=environment)
            )

        auth, second_auth = await asyncio.gather(start("auth", "auth"), start("auth", "second_auth"))
        others = await asyncio.gather(
            *(start(service, service) for service in ("l2p", "payment", "videovault"))
        )
        found = Stack(
            auth=auth, second_auth=second_auth, others=tuple(others), auth_database=databases["auth"]
        )
        try:
            yield found
        finally:
            # All at once: each takes a second, which is mostly waiting.
            await asyncio.gather(*(running.stop() for running in found.everywhere))
