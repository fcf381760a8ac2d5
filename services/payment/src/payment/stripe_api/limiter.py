"""How fast the background work of a process calls Stripe."""

import asyncio
import time
from collections.abc import Awaitable, Callable


class RateLimiter:
    """Lets `per_second` calls pass, evenly spaced, first come, first served."""

    def __init__(
        self,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._interval = 1 / per_second
        self._clock = clock
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self._free_at = clock()

    async def wait(self) -> None:
        """Wait for a turn."""
        async with self._turn:
            # A pause that begins meanwhile holds for this turn, too.
            while (seconds := self._free_at - self._clock()) > 0:
                await self._sleep(seconds)
            self._free_at = self._clock() + self._interval

    def pause(self, seconds: float) -> None:
        """Let no call pass for so long."""
        self._free_at = max(self._free_at, self._clock() + seconds)
