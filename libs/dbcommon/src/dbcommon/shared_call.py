"""One run of a call for all concurrent callers."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class SharedCall(Generic[Result]):
    """Runs `call` unless it is running, and gives the result or error of that one run to all who ask meanwhile.

    Under a lock the runs would follow each other: while the database does not answer, the sixth caller would wait six
    times as long as the first. A cancelled caller leaves the run to the others.
    """

    def __init__(self, call: Callable[[], Coroutine[Any, Any, Result]]) -> None:
        self._call = call
        self._run: asyncio.Task[Result] | None = None

    @property
    def is_running(self) -> bool:
        """Whether a run is in progress."""
        return self._run is not None

    async def ask(self) -> Result:
        """The result of the current run, or of a new one. Raises what `call` raises."""
        return await asyncio.shield(self.start())

    def start(self) -> "asyncio.Task[Result]":
        """The current run, or a new one, for a caller who does not wait for it."""
        if self._run is None:
            self._run = asyncio.create_task(self._call())
            self._run.add_done_callback(self._finish)
        return self._run

    async def close(self) -> None:
        """Cancel the current run."""
        if self._run is not None:
            self._run.cancel()
            await asyncio.wait({self._run})

    def _finish(self, run: "asyncio.Task[Result]") -> None:
        self._run = None
        if not run.cancelled():
            run.exception()  # seen: an error that nobody waits for any more is no warning
