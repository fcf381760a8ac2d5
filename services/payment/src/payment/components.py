"""The objects that all requests of Payment share."""

from dataclasses import dataclass

from payment.receipts.pdf_maker import PdfMaker
from payment.stripe_api.client import StripeApi
from payment.stripe_events.service import EventWaker
from payment.verification.metrics import VerificationMetrics
from payment.webhook_endpoints.addresses import AddressPolicy
from payment.webhook_endpoints.signatures import EndpointSecrets
from payment.webhook_endpoints.worker import DeliveryWorker
from webcommon.accounts.provisioning.service import UserProvisioner


@dataclass(frozen=True, kw_only=True)
class Components:
    """Each is asked for by its type (`webcommon.app.state.component`)."""

    provisioner: UserProvisioner
    stripe: StripeApi
    address_policy: AddressPolicy
    endpoint_secrets: EndpointSecrets
    delivery_worker: DeliveryWorker
    waker: EventWaker
    pdf_maker: PdfMaker
    verification_metrics: VerificationMetrics
