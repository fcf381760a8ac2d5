"""How fast background work calls Stripe, by a clock that only moves when somebody waits."""

import asyncio
from dataclasses import replace

from payment.stripe_api.client import StripeApi
from payment.stripe_api.limiter import RateLimiter
from standins.stripe.faults import Fault
from standins.stripe.standin import StandIn


class Clock:
    """A clock."""

    def __init__(self) -> None:
        self.now = 0.0

    def read(self) -> float:
        """The time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """It is later at once."""
        self.now += seconds
        await asyncio.sleep(0)


async def passes(limiter: RateLimiter, clock: Clock, count: int) -> list[float]:
    """When so many, who ask at once, may pass."""

    async def one() -> float:
        await limiter.wait()
        return round(clock.now, 6)

    return sorted(await asyncio.gather(*(one() for _ in range(count))))


def limiter_of(clock: Clock) -> RateLimiter:
    """Four a second."""
    return RateLimiter(4, clock=clock.read, sleep=clock.sleep)


async def test_calls_pass_evenly_spaced_and_time_without_calls_is_not_saved_up() -> None:
    clock = Clock()
    limiter = limiter_of(clock)
    assert await passes(limiter, clock, 5) == [0, 0.25, 0.5, 0.75, 1]
    clock.now = 60
    assert await passes(limiter, clock, 3) == [60, 60.25, 60.5]


async def test_a_pause_holds_for_those_who_wait_already() -> None:
    clock = Clock()
    limiter = limiter_of(clock)

    async def pause() -> None:
        limiter.pause(10)

    await limiter.wait()
    waiting = asyncio.create_task(passes(limiter, clock, 2))
    await asyncio.gather(waiting, pause())
    assert waiting.result() == [10, 10.25]


async def test_a_shorter_pause_ends_no_longer_one() -> None:
    clock = Clock()
    limiter = limiter_of(clock)
    limiter.pause(10)
    limiter.pause(1)
    assert await passes(limiter, clock, 1) == [10]


class Turns(RateLimiter):
    """Counts."""

    def __init__(self) -> None:
        super().__init__(1000)
        self.turns = 0
        self.pauses = 0

    async def wait(self) -> None:
        """Counts a turn."""
        self.turns += 1

    def pause(self, seconds: float) -> None:
        """Counts a pause."""
        self.pauses += seconds > 0


async def test_only_background_work_waits_for_its_turn_each_time_it_sends(
    standin: StandIn, api: StripeApi
) -> None:
    turns = Turns()
    api = replace(api, calls=replace(api.calls, limiter=turns))
    await api.list_refunds({})
    assert turns.turns == 0
    standin.faults.waiting.append(Fault(kind="rate_limit", method="GET", path="/v1/refunds", times=2))
    await api.in_background().list_refunds({})
    assert (turns.turns, turns.pauses) == (3, 2)


async def test_a_429_of_a_request_stops_background_work_too(standin: StandIn, api: StripeApi) -> None:
    turns = Turns()
    api = replace(api, calls=replace(api.calls, limiter=turns))
    standin.faults.waiting.append(Fault(kind="lock_timeout", method="GET", path="/v1/refunds"))
    await api.list_refunds({})
    assert (turns.turns, turns.pauses) == (0, 1)
    assert api.in_background().calls.limiter is turns
