"""One call of Stripe: sent again where that may help, and ended at its bound."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import stripe

from payment.stripe_api.errors import StripeRefused, StripeUnavailable
from payment.stripe_api.limiter import RateLimiter
from payment.stripe_api.metrics import Operation, StripeMetrics

logger = logging.getLogger(__name__)

Json = dict[str, Any]
Send = Callable[[], Awaitable[stripe.StripeObject]]

PAUSES = (0.25, 0.5, 1.0)
"""Seconds before a call is sent again, less up to half of them at random."""

RATE_PAUSE = 1.0
"""Seconds for which background work stops after a 429."""

UNDECIDED = frozenset({408, 409, 424, 429})
"""Answers of 4xx that do not refuse the call: another request is in its way, or too many are."""

KEY_REFUSED = frozenset({401, 403})
"""Answers that refuse the account's key, whatever it was to do: they say nothing of the call."""

_shared_end: ContextVar[float | None] = ContextVar("the end of the calls of a block", default=None)


@dataclass(frozen=True, kw_only=True)
class Calls:
    """How calls are made. `seconds`: the bound of one, with all its retries; `pauses`: before each of them."""

    seconds: float
    limiter: RateLimiter
    metrics: StripeMetrics
    pauses: tuple[float, ...] = PAUSES
    is_background: bool = False

    @contextlib.contextmanager
    def one_bound(self) -> Iterator[None]:
        """All calls in the block have to be done within the bound of one."""
        token = _shared_end.set(asyncio.get_running_loop().time() + self.seconds)
        try:
            yield
        finally:
            _shared_end.reset(token)

    async def call(self, operation: Operation, send: Send, *, is_write: bool) -> Json:
        """What Stripe answered. Raises `StripeRefused`, `StripeUnavailable`."""
        try:
            answer = await self._call(send, is_write=is_write)
        except StripeRefused:
            self.metrics.count(operation, "refused")
            raise
        except StripeUnavailable as error:
            self.metrics.count(operation, "unavailable")
            if error.http_status in KEY_REFUSED:
                logger.warning("Stripe refuses %s to STRIPE_SECRET_KEY (%s)", operation, error.http_status)
            raise
        self.metrics.count(operation, "done")
        return answer

    async def _call(self, send: Send, *, is_write: bool) -> Json:
        await self._wait_for_turn()
        end = _shared_end.get() or asyncio.get_running_loop().time() + self.seconds
        try:
            # httpx bounds each phase, so that dripping bytes would never end.
            async with asyncio.timeout_at(end):
                return await self._send(send, is_write=is_write)
        except TimeoutError:
            raise StripeUnavailable from None

    async def _send(self, send: Send, *, is_write: bool) -> Json:
        is_unsure = False
        for pause in (*self.pauses, None):
            try:
                return (await send()).to_dict()
            except stripe.StripeError as error:
                failure = error
            if failure.http_status == 429:
                self.limiter.pause(RATE_PAUSE)
            if _is_refusal(failure, is_unsure=is_unsure):
                raise StripeRefused.from_answer(failure) from failure
            if pause is None or not _may_help(failure):
                break
            is_unsure = is_write and (is_unsure or failure.http_status != 429)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads retries
            await self._wait_for_turn()
        raise StripeUnavailable(http_status=failure.http_status, is_stored=_is_stored(failure)) from failure

    async def _wait_for_turn(self) -> None:
        if self.is_background:
            await self.limiter.wait()


def _is_refusal(error: stripe.StripeError, *, is_unsure: bool) -> bool:
    """Whether the call has no effect. After an attempt whose outcome is unknown only a stored answer says so: others are
    given before Stripe looks at the key."""
    status = error.http_status or 0
    if (
        not 400 <= status < 500
        or status in UNDECIDED | KEY_REFUSED
        or isinstance(error, stripe.RateLimitError)
    ):
        return False
    return not is_unsure or status == 402 or _is_replayed(error)


def _may_help(error: stripe.StripeError) -> bool:
    """Whether sending the call again may help."""
    status = error.http_status or 500
    return (status in UNDECIDED or not 400 <= status < 500) and not _is_stored(error)


def _is_stored(error: stripe.StripeError) -> bool:
    """Whether the answer is an error of Stripe that it repeats to this key for a day."""
    is_final = _is_replayed(error) or _header(error, "Stripe-Should-Retry") == "false"
    return (error.http_status or 0) >= 500 and is_final


def _is_replayed(error: stripe.StripeError) -> bool:
    return _header(error, "Idempotent-Replayed") == "true"


def _header(error: stripe.StripeError, name: str) -> str | None:
    return {key.lower(): value for key, value in (error.headers or {}).items()}.get(name.lower())
