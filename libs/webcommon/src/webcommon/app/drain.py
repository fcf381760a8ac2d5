"""Drain hooks: a service that is told to stop hands over its work while it can still be reached."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

HANDOVER_SECONDS = 5.0
"""How long the hooks may take together. Work that is not handed over by then is found by its lease."""

CLOSING_SECONDS = 10.0
"""How long a process may take, after its last request, to end its background work, send its last spans and close."""

Hook = Callable[[], Awaitable[None]]


def longest_stop(*, drain_seconds: float, grace_seconds: float) -> float:
    """The seconds from SIGTERM within which a process ends by itself. A supervisor waits longer before it kills."""
    return max(drain_seconds, HANDOVER_SECONDS) + grace_seconds + CLOSING_SECONDS


class Drain:
    """Runs hooks once, concurrently, before the sockets close. A failure is logged and does not stop the others."""

    def __init__(self, *, seconds: float = HANDOVER_SECONDS) -> None:
        self._seconds = seconds
        self._hooks: list[Hook] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether all hooks are done, or their time is over."""
        return not self._hooks or (self._task is not None and self._task.done())

    def add(self, hook: Hook) -> None:
        """Add a hook that runs when the service is told to stop."""
        self._hooks.append(hook)

    def start(self) -> None:
        """Start the hooks; later calls do nothing."""
        if self._task is None and self._hooks:
            self._task = asyncio.create_task(self._run(), name="drain")

    async def _run(self) -> None:
        tasks = [asyncio.create_task(self._try(hook), name=_name(hook)) for hook in self._hooks]
        # Not a time-out around each hook: that would wait for a hook that swallows its cancellation.
        _, late = await asyncio.wait(tasks, timeout=self._seconds)
        for task in late:
            logger.error("%s was cut off after %g s of handing over", task.get_name(), self._seconds)
            task.cancel()

    async def _try(self, hook: Hook) -> None:
        try:
            await hook()
        # The process ends in any case; other hooks and running requests continue.
        except Exception:
            logger.exception("%s failed to hand over", _name(hook))


def _name(hook: Hook) -> str:
    return getattr(hook, "__qualname__", repr(hook))
