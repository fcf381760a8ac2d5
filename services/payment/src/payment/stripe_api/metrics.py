"""What `/metrics` tells of the calls of Stripe."""

from itertools import product
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter

Operation = Literal[
    "customers.create",
    "customers.retrieve",
    "customers.delete",
    "customers.list",
    "payment_intents.create",
    "payment_intents.retrieve",
    "payment_intents.cancel",
    "payment_intents.list",
    "checkout.sessions.create",
    "checkout.sessions.retrieve",
    "checkout.sessions.expire",
    "checkout.sessions.list",
    "refunds.create",
    "refunds.retrieve",
    "refunds.list",
    "disputes.retrieve",
    "disputes.list",
    "charges.retrieve",
    "events.retrieve",
    "events.list",
]
Outcome = Literal["done", "refused", "unavailable"]


class StripeMetrics:
    """Calls by operation and outcome; one that is sent several times counts once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "payment_stripe_calls", "Calls of Stripe.", ["operation", "outcome"], registry=registry
        )
        for operation, outcome in product(get_args(Operation), get_args(Outcome)):
            self._calls.labels(operation, outcome)

    def count(self, operation: Operation, outcome: Outcome) -> None:
        """Count a call that has ended."""
        self._calls.labels(operation, outcome).inc()
