"""Collects requests that arrive within a few milliseconds, and has them done together.

A transaction for each of many small writes costs a process three times as much as its share of a batch, and a connection each.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

WINDOW_SECONDS = 0.005
"""How long the first item of a batch waits for others."""

LARGEST = 500
"""Items that are done together."""

Key = TypeVar("Key")
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(eq=False)
class _Batch(Generic[Item, Result]):
    items: list[Item] = field(default_factory=list)
    results: "list[asyncio.Future[Result]]" = field(default_factory=list)


class Batches(Generic[Key, Item, Result]):
    """Batches of items, one a key at a time.

    `work` does the items of a batch in the order in which they arrived; it gives each one's result, or the error of that one.
    An error that it raises is every item's.
    """

    def __init__(self, work: Callable[[Key, list[Item]], Awaitable[Sequence[Result | Exception]]]) -> None:
        self._work = work
        self._batches: dict[Key, _Batch[Item, Result]] = {}
        """The batch that is collected for a key. The key is missing when nothing of it is collected or done."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, key: Key, item: Item) -> Result:
        """The result of an item, once its batch is done. Raises its error."""
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        batch = self._batches.get(key)
        if batch is None:
            batch = self._batches[key] = _Batch()
            self._start(self._do_next(key, pause=WINDOW_SECONDS))
        batch.items.append(item)
        batch.results.append(result)
        return await result

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="batches")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _do_next(self, key: Key, *, pause: float) -> None:
        await asyncio.sleep(pause)
        batch = self._batches.pop(key)
        # Items that arrive meanwhile are the next batch.
        more = self._batches[key] = _Batch(batch.items[LARGEST:], batch.results[LARGEST:])
        await self._do(key, batch.items[:LARGEST], batch.results[:LARGEST])
        if more.items:
            self._start(self._do_next(key, pause=0))
        else:
            del self._batches[key]

    async def _do(self, key: Key, items: list[Item], results: "list[asyncio.Future[Result]]") -> None:
        try:
            outcomes = await self._work(key, items)
        except BaseException as error:
            for result in results:
                _settle(result, error)
            # Each caller has the error. What is no error of the work ends this task as well.
            if not isinstance(error, Exception):
                raise
            return
        for result, outcome in zip(results, outcomes, strict=True):
            _settle(result, outcome)


def _settle(result: "asyncio.Future[Result]", outcome: Result | BaseException) -> None:
    # A caller that was cancelled waits no longer.
    if result.done():
        return
    if isinstance(outcome, BaseException):
        result.set_exception(outcome)
    else:
        result.set_result(outcome)
