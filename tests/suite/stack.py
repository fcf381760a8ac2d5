"""All four services as processes, on the databases of one test server."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from dbcommon.settings import DatabaseSettings
from tests.conftest import CopyDatabase
from tests.servers import PATIENT

START_SECONDS = 40

FIRST_PATHS = {
    "auth": "/v1/users/me",
    "l2p": "/v1/users/me",
    "payment": "/v1/orders",
    "videovault": "/v1/videos",
}
"""A route of each service that wants a token."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A process of a service, and a client of it."""

    service: str
    process: Process
    client: httpx.AsyncClient

    async def status_with(self, token: str) -> int:
        """What the service answers to this access token."""
        response = await self.client.get(
            FIRST_PATHS[self.service], headers={"Authorization": f"Bearer {token}"}
        )
        return response.status_code

    async def kill(self) -> None:
        """End the process at once."""
        self.process.kill()
        await self.process.wait()


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
    ports = {name: _free_port() for name in ("auth", "second_auth", "l2p", "payment", "videovault")}
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
                **os.environ,
                **shared,
                f"{prefix}_DATABASE_URL": databases[service].url.reveal(),
                f"{prefix}_SECRET": "s" * 32,
                f"{prefix}_PORT": str(ports[name]),
            }
            return await stack.enter_async_context(
                _process(service, port=ports[name], environment=environment)
            )

        auth, second_auth = await asyncio.gather(start("auth", "auth"), start("auth", "second_auth"))
        others = [await start(service, service) for service in ("l2p", "payment", "videovault")]
        yield Stack(auth=auth, second_auth=second_auth, others=tuple(others), auth_database=databases["auth"])


@contextlib.asynccontextmanager
async def _process(service: str, *, port: int, environment: dict[str, str]) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", service, env=environment, stdout=DEVNULL
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            await _wait_until_ready(client, process)
            yield Running(service=service, process=process, client=client)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(START_SECONDS):
                await process.wait()


async def _wait_until_ready(client: httpx.AsyncClient, process: Process) -> None:
    async with asyncio.timeout(START_SECONDS):
        while process.returncode is None:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get("/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.05)
    raise RuntimeError(f"the service ended with status {process.returncode}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
