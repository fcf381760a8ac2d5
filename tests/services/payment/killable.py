"""Processes of Payment that kill themselves at a point (`failpoints`)."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.clients import certificates
from tests.processes import free_port
from tests.services.payment.shop import until

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, kw_only=True)
class Killable:
    """A process, and a client of it. `log`: the points that it has come to."""

    pid: int
    client: httpx.AsyncClient
    log: Path

    @property
    def points(self) -> list[str]:
        """The points so far."""
        return self.log.read_text().split("\n")[:-1] if self.log.exists() else []

    async def is_gone(self) -> bool:
        """Whether it has ended."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        return False


class Failing:
    """Starts such processes. `environment`: that of all."""

    def __init__(self, program: Process, *, environment: Mapping[str, str], folder: Path) -> None:
        self._program = program
        self._environment = environment
        self._folder = folder

    @contextlib.asynccontextmanager
    async def process(self, failpoint: str = "") -> AsyncIterator[Killable]:
        """A process that is ready, and killed in the end at the latest."""
        port = free_port()
        log = self._folder / f"points {port}"
        log.unlink(missing_ok=True)
        told = {"PAYMENT_PORT": str(port), "FAILPOINT": failpoint, "FAILPOINT_LOG": str(log)}
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(json.dumps({**self._environment, **told}).encode() + b"\n")
        pid = int(await self._program.stdout.readline())
        try:
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", timeout=60, verify=certificates()
            ) as client:
                process = Killable(pid=pid, client=client, log=log)
                await until(lambda: _is_ready(process))
                yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


async def _is_ready(process: Killable) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return (await process.client.get("/readyz")).status_code == 200
    return False


@contextlib.asynccontextmanager
async def failing(environment: Mapping[str, str], *, folder: Path) -> AsyncIterator[Failing]:
    """The program that forks them, until the block ends."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"{__package__}.failpoints", cwd=ROOT, stdin=PIPE, stdout=PIPE
    )
    try:
        yield Failing(program, environment=environment, folder=folder)
    finally:
        program.kill()
        await program.wait()
