"""The threads that read files for streams: theirs alone, so that a disk that hangs holds nothing else up."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from videovault.streams.opening import OpenFile

THREADS = 16
"""Reads at the same time. A stream has at most one."""

Result = TypeVar("Result")


class Readers:
    """Runs functions that wait for a disk."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="stream")

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """End the threads after the block, without waiting for a disk."""
        try:
            yield
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def begin(self, function: Callable[[], Result]) -> "Future[Result]":
        """Call a function on a thread."""
        return self._threads.submit(function)

    async def run(self, function: Callable[[], Result]) -> Result:
        """What the function gives, called on a thread. Raises what the function raises."""
        return await asyncio.wrap_future(self.begin(function))

    async def open(self, function: Callable[[], OpenFile]) -> OpenFile:
        """The file that the function opens on a thread. Raises what the function raises."""
        opening = self.begin(function)
        try:
            return await asyncio.wrap_future(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close)
            raise


def _close(opening: "Future[OpenFile]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
