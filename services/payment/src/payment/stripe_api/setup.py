"""Makes the client from the settings."""

import stripe
from prometheus_client import CollectorRegistry

from payment.settings import Settings
from payment.stripe_api.calls import Calls
from payment.stripe_api.client import StripeApi
from payment.stripe_api.limiter import RateLimiter
from payment.stripe_api.metrics import StripeMetrics

API_VERSION = "2026-10-28.endive"
"""What the code was written against; the package has one of its own, which changes with its releases."""


def make_stripe_api(settings: Settings, *, registry: CollectorRegistry) -> StripeApi:
    """The client of Stripe, or of the stand-in without a key. It connects with the first call."""
    # It would send the times of calls and an id, which it keeps in the user's home.
    stripe.enable_telemetry = False
    # A phase of a call may take half of its bound, so that a connection that hangs leaves time for another.
    http = stripe.HTTPXClient(timeout=settings.stripe_timeout_seconds / 2)
    client = stripe.StripeClient(
        settings.api_key,
        base_addresses={"api": settings.api_base},
        http_client=http,
        max_network_retries=0,
        stripe_version=API_VERSION,
    )
    calls = Calls(
        seconds=settings.stripe_timeout_seconds,
        limiter=RateLimiter(settings.stripe_max_rps),
        metrics=StripeMetrics(registry),
    )
    return StripeApi(client=client, http=http, calls=calls)
