"""The tiny service as a process of its own."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.clients import certificates
from tests.processes import free_port

ROOT = Path(__file__).parents[3]
SECRET = "correct horse battery staple 0123456789"
START_SECONDS = 120


@dataclass
class Running:
    """A tiny service in a process of its own."""

    process: Process
    port: int
    client: httpx.AsyncClient
    output: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    readers: list["asyncio.Task[None]"] = field(default_factory=list)

    async def stopped(self) -> int:
        """The exit status, once the process has ended."""
        async with asyncio.timeout(START_SECONDS):
            status = await self.process.wait()
            await asyncio.gather(*self.readers)
        return status

    def terminate(self) -> None:
        """Ask it to stop, as a supervisor does."""
        self.process.send_signal(signal.SIGTERM)

    async def said(self, words: str) -> None:
        """Wait until a line of the output holds `words`."""
        async with asyncio.timeout(START_SECONDS):
            while not any(words in line for line in self.output):
                assert self.process.returncode is None, self.errors
                await asyncio.sleep(0.01)

    def logged(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        return [json.loads(line) for line in self.output]


async def _collect(stream: asyncio.StreamReader | None, lines: list[str]) -> None:
    assert stream is not None
    async for line in stream:
        lines.append(line.decode().rstrip("\n"))  # noqa: PERF401 - each line is wanted when it comes


def environment(port: int, **changed: str) -> dict[str, str]:
    """The settings of the service, with some changed."""
    settings = {"TINY_PORT": str(port), "TINY_SECRET": SECRET, "LOG_FORMAT": "json"}
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings, **changed}


async def launch(environ: dict[str, str]) -> Process:
    """The process, as soon as it runs."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.libs.tiny_service", cwd=ROOT, env=environ, stdout=PIPE, stderr=PIPE
    )


@contextlib.asynccontextmanager
async def started(**changed: str) -> AsyncIterator[Running]:
    """A service that answers; killed at the end of the block if it still runs."""
    port = free_port()
    process = await launch(environment(port, **changed))
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", timeout=60, verify=certificates()
    ) as client:
        running = Running(process, port, client)
        running.readers = [
            asyncio.create_task(_collect(process.stdout, running.output)),
            asyncio.create_task(_collect(process.stderr, running.errors)),
        ]
        try:
            await _answers(running)
            yield running
        finally:
            if process.returncode is None:
                process.kill()
            await running.stopped()


async def _answers(running: Running) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            assert running.process.returncode is None, running.errors
            with contextlib.suppress(httpx.TransportError):
                if (await running.client.get("/livez")).status_code == 200:
                    return
            await asyncio.sleep(0.02)
