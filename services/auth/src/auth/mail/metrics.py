"""What `/metrics` tells of the outbox."""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge

Outcome = Literal["sent", "retried", "given_up"]


class MailMetrics:
    """Attempts by outcome, counted by each process; the outbox's length and age, the same in all of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._attempts = Counter(
            "auth_mail_attempts", "Attempts to send a mail.", ["outcome"], registry=registry
        )
        outcomes: tuple[Outcome, ...] = ("sent", "retried", "given_up")
        for outcome in outcomes:
            self._attempts.labels(outcome)
        self._pending = Gauge("auth_mails_pending", "Mails that are not sent yet.", registry=registry)
        self._oldest = Gauge(
            "auth_mails_oldest_pending_seconds",
            "Age of the oldest mail that is not sent yet; 0 without one.",
            registry=registry,
        )

    def count_attempt(self, outcome: Outcome) -> None:
        """Count an attempt."""
        self._attempts.labels(outcome).inc()

    def set_pending(self, number: int, *, oldest_seconds: float) -> None:
        """Tell how many mails wait, and for how long the oldest has."""
        self._pending.set(number)
        self._oldest.set(oldest_seconds)
