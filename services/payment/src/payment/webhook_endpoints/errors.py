"""Why a call on webhook endpoints is refused."""

from webcommon.api.problems import Conflict, NotFound


class WebhookEndpointNotFound(NotFound):
    """404: no webhook endpoint has this id."""

    title = "There is no such webhook endpoint"
    slug = "webhook-endpoint-not-found"


class WebhookDeliveryNotFound(NotFound):
    """404: the endpoint has no delivery with this id."""

    title = "There is no such delivery"
    slug = "webhook-delivery-not-found"


class WebhookEndpointDisabled(Conflict):
    """409: nothing is sent to a disabled endpoint."""

    title = "The webhook endpoint is disabled"
    slug = "webhook-endpoint-disabled"

    def __init__(self) -> None:
        super().__init__("Nothing is sent to it; enable it first.")
