"""What `/metrics` tells of the books; the same in all processes."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge

from payment.verification.repository import CHECKS


class VerificationMetrics:
    """What the last verification and the last reconciliation found."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._findings = Gauge(
            "payment_check_findings",
            "What the last `quartet payment check` of the service found wrong, 100 of each check at most.",
            ["check"],
            registry=registry,
        )
        for check in CHECKS:
            self._findings.labels(check)
        self._check_age = Gauge(
            "payment_check_age_seconds", "Time since that check was made.", registry=registry
        )
        self._differences = Gauge(
            "payment_reconciliation_differences",
            "Differences from Stripe that the last reconciliation found.",
            registry=registry,
        )
        self._reconciliation_age = Gauge(
            "payment_reconciliation_age_seconds",
            "Time since the last reconciliation ended.",
            registry=registry,
        )
        self._flagged = Gauge("payment_orders_flagged", "Orders that wait for an admin.", registry=registry)

        self._failing_endpoints = Gauge(
            "payment_webhook_endpoints_failing",
            "Webhook endpoints at which nothing has arrived for an hour, or that were disabled for it.",
            registry=registry,
        )

    def set_verification(self, counts: Mapping[str, int], *, age_seconds: float) -> None:
        """Tell the findings of each check."""
        for check in CHECKS:
            self._findings.labels(check).set(counts.get(check, 0))
        self._check_age.set(age_seconds)

    def set_reconciliation(self, differences: int, *, age_seconds: float) -> None:
        """Tell how many differences there were."""
        self._differences.set(differences)
        self._reconciliation_age.set(age_seconds)

    def set_flagged(self, number: int) -> None:
        """Tell how many orders are flagged."""
        self._flagged.set(number)

    def set_failing_endpoints(self, number: int) -> None:
        """Tell how many webhook endpoints fail."""
        self._failing_endpoints.set(number)
