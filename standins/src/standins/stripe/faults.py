"""Faults of calls, simulated on demand."""

import fnmatch
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from standins.stripe.errors import StripeError
from standins.stripe.idempotency import key_in_use

FaultKind = Literal[
    "api_error",
    "lock_timeout",
    "idempotency_key_in_use",
    "rate_limit",
    "amount_too_small",
    "drop_connection",
    "delay",
    "drip",
]


@dataclass(kw_only=True)
class Fault:
    """A fault of the next `times` calls of a method and a path (`*` is anything).

    `when`: before the call has its effect, or after it. `seconds`: of `delay`, by the account's clock; and between two bytes of
    `drip`, by the real one.
    """

    kind: FaultKind
    method: str = "POST"
    path: str = "*"
    when: Literal["before", "after"] = "before"
    times: int = 1
    seconds: float = 0


def _rate_limited() -> StripeError:
    return StripeError(
        "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
        status=429,
        code="rate_limit",
    )


ERRORS: dict[str, Callable[[], StripeError]] = {
    "api_error": lambda: StripeError("An unknown error occurred", status=500, type="api_error"),
    "lock_timeout": lambda: StripeError(
        "This object cannot be accessed right now because another API request or Stripe process is currently accessing it. "
        "If you see this error intermittently, retry the request.",
        status=429,
        code="lock_timeout",
    ),
    "idempotency_key_in_use": key_in_use,
    # The minimum goes by the account's currency, so that Stripe may refuse what its page does not.
    "amount_too_small": lambda: StripeError(
        "Amount must convert to at least 50 cents.", code="amount_too_small", param="amount"
    ),
    "rate_limit": _rate_limited,
}


class Faults:
    """The faults that wait for their calls, and the limit of calls a second. `calls`: all so far."""

    def __init__(self) -> None:
        self.calls = 0
        self.waiting: list[Fault] = []
        self.per_second: int | None = None
        self._second = 0
        self._calls = 0

    def reset(self) -> None:
        """No fault, and no limit."""
        self.waiting.clear()
        self.per_second = None

    def take(self, when: str, *, method: str, path: str) -> Fault | None:
        """The fault of this call, if it has one. It counts as used."""
        for fault in self.waiting:
            if (fault.when, fault.method) == (when, method) and fnmatch.fnmatchcase(path, fault.path):
                fault.times -= 1
                if fault.times == 0:
                    self.waiting.remove(fault)
                return fault
        return None

    def count_call(self) -> None:
        """Raises `StripeError` above the limit of calls a second."""
        self.calls += 1
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._calls = second, 0
        self._calls += 1
        if self.per_second is not None and self._calls > self.per_second:
            raise _rate_limited()
