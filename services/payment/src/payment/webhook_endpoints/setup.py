"""Makes the parts of outgoing webhooks from the settings."""

from prometheus_client import CollectorRegistry

from dbcommon.engine import Database
from payment.settings import Settings
from payment.webhook_endpoints.addresses import AddressPolicy
from payment.webhook_endpoints.metrics import DeliveryMetrics
from payment.webhook_endpoints.sending import Sender
from payment.webhook_endpoints.signatures import EndpointSecrets
from payment.webhook_endpoints.worker import DeliveryWorker
from webcommon.app.service import tls_context
from webcommon.keys import derive_key


def make_policy(settings: Settings) -> AddressPolicy:
    """Production sends by https and to the public Internet; elsewhere this machine may be reached by http."""
    is_production = settings.environment == "production"
    return AddressPolicy(
        https_only=is_production,
        loopback=not is_production,
        networks=settings.allowed_networks,
    )


def make_secrets(settings: Settings) -> EndpointSecrets:
    """Encrypts the endpoints' secrets under a key of the service."""
    return EndpointSecrets(derive_key(settings.secret.get_secret_value(), "webhook endpoints"))


def make_worker(
    settings: Settings,
    *,
    database: Database,
    policy: AddressPolicy,
    secrets: EndpointSecrets,
    registry: CollectorRegistry,
) -> DeliveryWorker:
    """The worker of this process, with its metrics in `registry`; it does not run yet."""
    return DeliveryWorker(
        database,
        sender=Sender(policy=policy, timeout_seconds=settings.delivery_timeout_seconds, tls=tls_context()),
        secrets=secrets,
        metrics=DeliveryMetrics(registry),
        pause_seconds=settings.delivery_seconds,
    )
