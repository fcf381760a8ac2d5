"""What `/metrics` tells of deliveries."""

from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter

DeliveryOutcome = Literal["delivered", "retried", "given_up"]


class DeliveryMetrics:
    """Attempts by outcome, counted by each process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._attempts = Counter(
            "payment_webhook_attempts",
            "Attempts to deliver an event to a webhook endpoint.",
            ["outcome"],
            registry=registry,
        )
        for outcome in get_args(DeliveryOutcome):
            self._attempts.labels(outcome)

    def count(self, outcome: DeliveryOutcome) -> None:
        """Count an attempt that has ended."""
        self._attempts.labels(outcome).inc()
