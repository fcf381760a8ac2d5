"""Calls on media files, each in a worker process of limited time and memory."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from videovault.files.identity import FileFacts

logger = logging.getLogger(__name__)

LENGTH_BYTES = 4
"""Of the lengths before what the two processes tell each other, big-endian."""

IDLE_SECONDS = 60.0
"""How long a worker waits for more work, with the 60 MB that it takes."""

MOST_CALLS = 1000
"""Of a worker; another one takes its place, since libraries of codecs leak."""

PROGRAM = "videovault.media.program"
"""The module that a worker runs."""

END_SECONDS = 5.0
"""Within this a worker has to end that has closed its pipe."""

Call = Literal["probe", "read_subtitles", "convert_subtitles", "draw_thumbnail", "draw_sprite"]
"""What a worker can do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaFile:
    """A file below a root. `root` is a real path in one of the `allowed` folders."""

    path: bytes
    root: bytes
    allowed: Sequence[bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a call gave, and which file it was: `facts` of the moment when it was opened."""

    result: Any
    content: bytes
    facts: FileFacts


class MediaFailed(Exception):
    """A call gave nothing.

    `code`: that of a scan's error, or `gone` for a file that is not there. `facts`: of the file, if it was opened. `is_lasting`
    says that another call will fail, too, unless the file changes.
    """

    def __init__(
        self, code: str, detail: str, *, facts: FileFacts | None = None, is_lasting: bool = True
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.facts = facts
        self.is_lasting = is_lasting


class WorkerDied(Exception):
    """A worker ended before it had answered."""


class MediaWorkers:
    """Worker processes, `most` at a time, each at one call. They start when they are needed, and end when they are not."""

    def __init__(
        self,
        *,
        most: int,
        seconds: int,
        memory_mb: int,
        idle_seconds: float = IDLE_SECONDS,
        program: str = PROGRAM,
    ) -> None:
        self._command = [sys.executable, "-P", "-m", program, str(memory_mb), str(seconds)]
        self._seconds = seconds
        self._idle_seconds = idle_seconds
        self._turns = asyncio.Semaphore(most)
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self.most = most
        """How many calls can run at the same time."""

    @property
    def pids(self) -> list[int]:
        """The ids of the processes."""
        return [worker.process.pid for worker in self._all]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """End the processes after the block."""
        try:
            yield
        finally:
            for worker in list(self._all):
                self._end(worker)
                await worker.process.wait()

    async def run(self, call: Call, file: MediaFile, **arguments: Any) -> Answer:
        """Do the call in a worker. Raises `MediaFailed`."""
        asked = {
            "call": call,
            "path": os.fsdecode(file.path),
            "root": os.fsdecode(file.root),
            "allowed": [os.fsdecode(folder) for folder in file.allowed],
            **arguments,
        }
        async with self._turns:
            try:
                head, content = await self._ask(asked)
            except WorkerDied:
                # Whoever killed it may not have meant this file.
                try:
                    head, content = await self._ask(asked, is_fresh=True)
                except WorkerDied as error:
                    raise MediaFailed("unreadable", str(error)) from error
        facts = FileFacts(*head["facts"]) if "facts" in head else None
        if (failure := head.get("error")) is not None:
            was_opened = failure["code"] != "closed"
            code = failure["code"] if was_opened else "unreadable"
            raise MediaFailed(code, failure["detail"], facts=facts, is_lasting=was_opened)
        assert facts is not None  # noqa: S101 - an answer without an error has them
        return Answer(result=head["result"], content=content, facts=facts)

    async def _ask(self, asked: dict[str, Any], *, is_fresh: bool = False) -> tuple[dict[str, Any], bytes]:
        """Raises `WorkerDied`, and `MediaFailed` when it takes too long."""
        worker = self._idle.pop() if self._idle and not is_fresh else await self._start()
        try:
            async with asyncio.timeout(self._seconds):
                answer = await worker.ask(json.dumps(asked).encode())
        except TimeoutError:
            self._end(worker)
            raise MediaFailed("unreadable", f"it took more than {self._seconds} seconds") from None
        except (OSError, asyncio.IncompleteReadError):
            status = await worker.wait_for_end()
            self._end(worker)
            if status == -signal.SIGXCPU:
                told = f"it took more than {self._seconds} seconds of the processor"
                raise MediaFailed("unreadable", told) from None
            logger.warning("a worker on media files ended with %d", status)
            raise WorkerDied(f"its reader ended with {status}") from None
        except BaseException:
            self._end(worker)  # what it says next would be of this call
            raise
        if worker.calls >= MOST_CALLS:
            self._end(worker)
        else:
            self._idle.append(worker)
            worker.wait(self._idle_seconds, lambda: self._end(worker))
        return answer

    async def _start(self) -> "_Worker":
        # No secret is in its environment. A session of its own, since Ctrl-C is for the server, which lets requests end.
        environment = {
            name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PYTHONPATH") if name in os.environ
        }
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            start_new_session=True,
            env=environment,
            cwd="/",
        )
        worker = _Worker(process)
        self._all.add(worker)
        return worker

    def _end(self, worker: "_Worker") -> None:
        worker.kill()
        self._all.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)


class _Worker:
    def __init__(self, process: Process) -> None:
        self.process = process
        self.calls = 0
        self._end: asyncio.TimerHandle | None = None

    async def ask(self, asked: bytes) -> tuple[dict[str, Any], bytes]:
        self._stop_waiting()
        self.calls += 1
        source, target = self.process.stdout, self.process.stdin
        assert source is not None  # noqa: S101 - both are pipes
        assert target is not None  # noqa: S101
        target.write(len(asked).to_bytes(LENGTH_BYTES) + asked)
        await target.drain()
        parts = [
            await source.readexactly(int.from_bytes(await source.readexactly(LENGTH_BYTES))) for _ in range(2)
        ]
        return json.loads(parts[0]), parts[1]

    async def wait_for_end(self) -> int:
        """How the process ended, which has closed its pipe. To kill one that ends by itself would lose that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                return await self.process.wait()
        self.process.kill()
        return await self.process.wait()

    def wait(self, seconds: float, end: Callable[[], None]) -> None:
        self._end = asyncio.get_running_loop().call_later(seconds, end)

    def _stop_waiting(self) -> None:
        if self._end is not None:
            self._end.cancel()

    def kill(self) -> None:
        self._stop_waiting()
        if self.process.returncode is None:
            self.process.kill()
