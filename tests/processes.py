"""Services in processes of their own."""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx

from dbcommon.settings import DatabaseSettings
from tests.clients import certificates
from tests.documented import checking
from tests.servers import PATIENT

START_SECONDS = 120
"""The time limit of a start or a stop, for a busy machine."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A service's process, and a client of it."""

    service: str
    process: Process
    client: httpx.AsyncClient

    async def kill(self) -> None:
        """End the process at once."""
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        """Ask the process to end and wait until it has."""
        await _stop(self.process)


def free_port() -> int:
    """A free TCP port, outside of the range for outgoing connections: before a server listens, a connection of another
    test could take it."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def free_ports(count: int) -> list[int]:
    """Several different free ports."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


def _append_to(path: str) -> BinaryIO:
    return Path(path).open("ab")


@contextlib.asynccontextmanager
async def service_process(
    service: str, *, port: int, environment: Mapping[str, str], log: str = os.devnull
) -> AsyncIterator[Running]:
    """`python -m SERVICE`, ready, until the block ends; `log` keeps what it says. Raises RuntimeError when it ends before
    it is ready, and TimeoutError when that takes too long."""
    with _append_to(log) as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            service,
            env={**os.environ, **environment},
            stdout=output,
            stderr=None if log == os.devnull else output,
        )
    # The service closes a connection after 5 s without a request: one that is as old might be closed while it is used.
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200, keepalive_expiry=2)
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            timeout=60,
            limits=limits,
            verify=certificates(),
            event_hooks=checking(service),
        ) as client:
            await _wait_until_ready(client, process)
            yield Running(service=service, process=process, client=client)
    finally:
        await _stop(process)


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(START_SECONDS):
        await process.wait()


@contextlib.asynccontextmanager
async def replica(
    service: str, database: DatabaseSettings, *, log: str = os.devnull, **settings: str
) -> AsyncIterator[Running]:
    """A service's process on that database; `settings` are further variables. Raises as `service_process` does."""
    prefix, port = service.upper(), free_port()
    environment = {
        f"{prefix}_DATABASE_URL": database.url.reveal(),
        f"{prefix}_SECRET": "s" * 32,
        f"{prefix}_PORT": str(port),
        "DB_POOL_WAIT_SECONDS": str(PATIENT.wait_seconds),
        **settings,
    }
    async with service_process(service, port=port, environment=environment, log=log) as running:
        yield running


@contextlib.asynccontextmanager
async def two_processes(
    service: str, database: DatabaseSettings, **settings: str
) -> AsyncIterator[tuple[Running, Running]]:
    """Two processes of a service on one database, started at the same time with the same `settings`."""
    async with contextlib.AsyncExitStack() as stack:
        first, second = await asyncio.gather(
            *(stack.enter_async_context(replica(service, database, **settings)) for _ in range(2))
        )
        yield first, second


async def _wait_until_ready(client: httpx.AsyncClient, process: Process) -> None:
    async with asyncio.timeout(START_SECONDS):
        while process.returncode is None:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get("/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.05)
    raise RuntimeError(f"the service ended with status {process.returncode}")
