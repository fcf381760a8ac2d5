"""Auth in processes of its own, as replicas on one database."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx

from tests.servers import PATIENT
from tests.services.auth.accounts import AuthDatabase

START_SECONDS = 40


@dataclass(frozen=True, kw_only=True)
class Replica:
    """A process, and a client of it that keeps no cookies of its own accord."""

    process: Process
    client: httpx.AsyncClient


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _append_to(path: str) -> BinaryIO:
    return Path(path).open("ab")


@contextlib.asynccontextmanager
async def auth_process(
    database: AuthDatabase, *, folder: Path, log: str = os.devnull, **settings: str
) -> AsyncIterator[Replica]:
    """`python -m auth` on that database until the block ends; `settings` are further variables, `log` keeps what it
    says."""
    port = free_port()
    environment = {
        **os.environ,
        "AUTH_DATABASE_URL": database.settings.url.reveal(),
        "AUTH_SECRET": "s" * 32,
        "AUTH_PORT": str(port),
        "AUTH_MAIL_FOLDER": str(folder),
        "DB_POOL_WAIT_SECONDS": str(PATIENT.wait_seconds),
        **settings,
    }
    with _append_to(log) as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "auth", env=environment, stdout=output
        )
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=60, limits=limits
        ) as client:
            await _wait_until_ready(client, process)
            yield Replica(process=process, client=client)
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
    raise RuntimeError(f"Auth ended with status {process.returncode}")
