"""Callers who ask at the same time share one run, its error too."""

import asyncio

import pytest

from dbcommon.shared_call import SharedCall


class Call:
    """Counts its runs; each ends when it is told to."""

    def __init__(self) -> None:
        self.runs = 0
        self.may_end = asyncio.Event()
        self.error: Exception | None = None

    async def run(self) -> int:
        self.runs += 1
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return self.runs


async def _ask_at_once(shared: SharedCall[int], call: Call, *, times: int) -> list[int | BaseException]:
    asking = [asyncio.create_task(shared.ask()) for _ in range(times)]
    await asyncio.sleep(0)
    call.may_end.set()
    return await asyncio.gather(*asking, return_exceptions=True)


async def test_fifty_at_once_share_one_run_and_the_next_begins_another() -> None:
    call = Call()
    shared = SharedCall(call.run)
    assert await _ask_at_once(shared, call, times=50) == [1] * 50
    assert not shared.is_running
    assert await shared.ask() == 2


async def test_all_get_the_error_of_the_run_and_the_next_one_tries_again() -> None:
    call = Call()
    call.error = OSError("away")
    shared = SharedCall(call.run)
    assert await _ask_at_once(shared, call, times=50) == [call.error] * 50
    call.error = None
    assert await shared.ask() == 2


async def test_a_caller_that_is_cancelled_leaves_the_run_to_the_others() -> None:
    call = Call()
    shared = SharedCall(call.run)
    first, second = asyncio.create_task(shared.ask()), asyncio.create_task(shared.ask())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    call.may_end.set()
    assert await second == 1
    assert first.cancelled()


async def test_closing_ends_the_run() -> None:
    call = Call()
    shared = SharedCall(call.run)
    asking = asyncio.create_task(shared.ask())
    await asyncio.sleep(0)
    await shared.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await shared.close()
