"""Long work on the event loop, shared out."""

import asyncio
import time

TURN_SECONDS = 0.0005
"""How long work goes on before others of the loop get their turn."""


class Turns:
    """`await turns.pass_on()` between small steps of long work lets the loop's other tasks run when this one's turn is over."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def pass_on(self) -> None:
        """Let others run if this turn has lasted `TURN_SECONDS`."""
        if time.perf_counter() - self._began >= TURN_SECONDS:
            await asyncio.sleep(0)
            self._began = time.perf_counter()
