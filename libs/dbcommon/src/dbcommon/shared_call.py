"""One run of a call for all who ask for it at the same time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class SharedCall(Generic[Result]):
    """Runs `call` when nobody does yet, and gives the result or the error of that one run to all who ask meanwhile.

    A lock would let them run it one after the other: while the database does not answer, the sixth would wait six times as
    long as the first. A caller that is cancelled leaves the run to the others.
    """

    def __init__(self, call: Callable[[], Coroutine[Any, Any, Result]]) -> None:
        self._call = call
        self._run: asyncio.Task[Result] | None = None

    @property
    def is_running(self) -> bool:
        """Whether who asks now joins a run that began before."""
        return self._run is not None

    async def ask(self) -> Result:
        """The result of the present run, or of one that begins now. Raises what `call` raises."""
        return await asyncio.shield(self.start())

    def start(self) -> "asyncio.Task[Result]":
        """The present run, or one that begins now, for a caller who does not wait for it."""
        if self._run is None:
            self._run = asyncio.create_task(self._call())
            self._run.add_done_callback(self._finish)
        return self._run

    async def close(self) -> None:
        """Cancel a run that is under way."""
        if self._run is not None:
            self._run.cancel()
            await asyncio.wait({self._run})

    def _finish(self, run: "asyncio.Task[Result]") -> None:
        self._run = None
        if not run.cancelled():
            run.exception()  # seen: an error that nobody waits for any more is no warning
