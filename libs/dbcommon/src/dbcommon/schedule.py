"""The pauses of repeated work."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When work is repeated.

    `seconds` lie between the end of one run and the start of the next, `retry_seconds` (by default the same) after a
    failed run; with `retry_limit_seconds` each further failure in a row doubles the pause, up to that. `jitter` is the
    fraction by which a pause may be longer or shorter, so that replicas do not run at the same time. `at_once` starts the
    first run without a pause.
    """

    seconds: float
    retry_seconds: float | None = None
    retry_limit_seconds: float | None = None
    jitter: float = 0.0
    at_once: bool = False

    def pause(self, *, failures: int) -> float:
        """The next pause in seconds, after `failures` failed runs in a row."""
        seconds = self.seconds
        if failures and self.retry_seconds is not None:
            seconds = self.retry_seconds
        if failures and self.retry_limit_seconds is not None:
            # The exponent is bounded since a float's range is.
            seconds = min(seconds * 2 ** min(failures - 1, 30), self.retry_limit_seconds)
        return seconds * random.uniform(1 - self.jitter, 1 + self.jitter)  # noqa: S311 - spreads load, guards nothing
