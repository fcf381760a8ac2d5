"""Has PDFs made by a program of their own: they take a tenth of a second and more of Python, which the event loop lacks."""

import asyncio
import json
import logging
import sys
from asyncio.subprocess import PIPE, Process

from payment.receipts.content import LENGTH_BYTES, Receipt
from payment.receipts.errors import PdfUnavailable

logger = logging.getLogger(__name__)

LONGEST_SECONDS = 30.0
"""How long a request waits for its PDF, its turn included."""

MOST_WAITING = 100
"""Requests that wait for their turn, at most."""

IDLE_SECONDS = 60.0
"""How long the program waits for more work, with the 60 MB that it takes."""


class PdfMaker:
    """One program, which makes one PDF after the other. It starts when it is needed, and ends when it is not."""

    def __init__(
        self, *, longest_seconds: float = LONGEST_SECONDS, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._longest_seconds, self._idle_seconds = longest_seconds, idle_seconds
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._process: Process | None = None
        self._end: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        """The program's id; None while there is none."""
        return None if self._process is None else self._process.pid

    async def make(self, receipt: Receipt) -> bytes:
        """The PDF of a receipt. Raises `PdfUnavailable`."""
        if self._waiting >= MOST_WAITING:
            raise PdfUnavailable
        self._waiting += 1
        try:
            async with asyncio.timeout(self._longest_seconds):
                await self._turn.acquire()
                # It goes on when its request ends early, since what the program writes has to be read.
                work = asyncio.create_task(self._ask(json.dumps(receipt, default=vars).encode()))
                work.add_done_callback(self._end_turn)
                return await asyncio.shield(work)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            logger.warning("the PDF of receipt %s was not made: %r", receipt.number, error)
            raise PdfUnavailable from error
        finally:
            self._waiting -= 1

    def _end_turn(self, work: asyncio.Task[bytes]) -> None:
        self._turn.release()
        if not work.cancelled():
            work.exception()  # told to the request, if it is still there

    async def aclose(self) -> None:
        """End the program."""
        process = self._process
        self._kill()
        if process is not None:
            await process.wait()

    async def _ask(self, content: bytes) -> bytes:
        process = await self._start()
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            async with asyncio.timeout(self._longest_seconds):
                process.stdin.write(len(content).to_bytes(LENGTH_BYTES) + content)
                await process.stdin.drain()
                length = await process.stdout.readexactly(LENGTH_BYTES)
                pdf = await process.stdout.readexactly(int.from_bytes(length))
        except BaseException:
            self._kill()  # what it says next would be of this receipt
            raise
        self._end = asyncio.get_running_loop().call_later(self._idle_seconds, self._kill)
        return pdf

    async def _start(self) -> Process:
        if self._end is not None:
            self._end.cancel()
        if self._process is None or self._process.returncode is not None:
            command = [sys.executable, "-P", "-m", "payment.receipts.pdf_process"]
            # A session of its own, since Ctrl-C is for the server, which lets requests end.
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, start_new_session=True
            )
        return self._process

    def _kill(self) -> None:
        if self._end is not None:
            self._end.cancel()
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
