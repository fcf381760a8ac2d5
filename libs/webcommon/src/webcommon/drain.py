"""What a service does when it is told to stop, while it can still be reached: it hands over what it holds."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

HANDOVER_SECONDS = 5.0
"""How long the hooks may take together; what is not handed over by then, others find by its lease."""

Hook = Callable[[], Awaitable[None]]


class Drain:
    """Runs hooks once, all at the same time, before the sockets close. A failure is logged and stops nobody."""

    def __init__(self, *, seconds: float = HANDOVER_SECONDS) -> None:
        self._seconds = seconds
        self._hooks: list[Hook] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether no hook runs or has yet to run."""
        return not self._hooks or (self._task is not None and self._task.done())

    def add(self, hook: Hook) -> None:
        """Have `hook` run when the service is told to stop."""
        self._hooks.append(hook)

    def start(self) -> None:
        """Start the hooks; later calls do nothing."""
        if self._task is None and self._hooks:
            self._task = asyncio.create_task(self._run(), name="drain")

    async def _run(self) -> None:
        await asyncio.gather(*(self._try(hook) for hook in self._hooks))

    async def _try(self, hook: Hook) -> None:
        name = getattr(hook, "__qualname__", repr(hook))
        try:
            async with asyncio.timeout(self._seconds) as limit:
                await hook()
        # The process ends either way; the other hooks and the running requests are not to suffer.
        except Exception:
            if limit.expired():
                logger.error("%s was cut off after %g s of handing over", name, self._seconds)  # noqa: TRY400 - no bug to trace
            else:
                logger.exception("%s failed to hand over", name)
