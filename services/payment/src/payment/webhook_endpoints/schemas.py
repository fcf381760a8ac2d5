"""Bodies of the routes of webhook endpoints."""

from typing import Annotated, get_args
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from payment.models import DeliveryStatus, DisabledReason, EndpointStatus, OutgoingEventType
from payment.webhook_endpoints.addresses import LONGEST_URL
from webcommon.api.schemas import RequestBody, ResponseBody, Text, Timestamp

EVENT_TYPES: tuple[OutgoingEventType, ...] = get_args(OutgoingEventType)

EndpointUrl = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_URL),
    Field(
        examples=["https://example.com/hooks/quartet"],
        description="http or https, in production https only; a public address, in production at least.",
    ),
]

Description = Annotated[Text, StringConstraints(max_length=500)]


def _once_each(types: list[OutgoingEventType]) -> list[OutgoingEventType]:
    return list(dict.fromkeys(types))


EventTypes = Annotated[
    list[OutgoingEventType],
    Field(min_length=1, max_length=100, description="The types of events that are sent to it."),
    AfterValidator(_once_each),
]


class NewWebhookEndpoint(RequestBody):
    """A URL to send events to; all types of events, unless some are named."""

    url: EndpointUrl
    description: Description | None = None
    event_types: EventTypes = Field(default=list(EVENT_TYPES))


class WebhookEndpointChange(RequestBody):
    """What to change; fields left out stay. `description` may be null."""

    # Factories, since OpenAPI would show a default as the value of a field that is left out.
    url: EndpointUrl = Field(default_factory=str)
    description: Description | None = None
    event_types: EventTypes = Field(default_factory=list)
    status: EndpointStatus = Field(
        default_factory=lambda: "enabled",
        description="Enabling forgets the failures; disabling gives up the deliveries that wait.",
    )


class WebhookEndpoint(ResponseBody):
    """A URL that events are sent to."""

    id: UUID
    url: str = Field(examples=["https://example.com/hooks/quartet"])
    description: str | None = Field(examples=["Accounting"])
    event_types: list[OutgoingEventType]
    status: EndpointStatus
    disabled_reason: DisabledReason | None = Field(
        description="`admin`, or `failures`: no delivery arrived for five days."
    )
    first_failure_at: Timestamp | None = Field(
        description="The first failure since the last delivery that arrived."
    )
    previous_secret_until: Timestamp | None = Field(
        description="Until then deliveries are signed with the secret before the rotation, too."
    )
    created_at: Timestamp
    updated_at: Timestamp


class WebhookEndpointWithSecret(WebhookEndpoint):
    """The endpoint with its new secret, which is never shown again."""

    secret: str = Field(examples=["whsec_3vJ0cXZ1c0hJd2pQeFdmS2dUb2RhQ2lOZ0xxRmVyWm8"])


class WebhookDelivery(ResponseBody):
    """The delivery of an event to an endpoint, with its last attempt."""

    id: UUID
    event_id: UUID
    event_type: OutgoingEventType
    order_id: UUID | None
    status: DeliveryStatus = Field(description="`pending`, `delivered`, or `failed`: given up.")
    attempts: int
    next_attempt_at: Timestamp | None = Field(description="Null unless the delivery is pending.")
    last_attempt_at: Timestamp | None
    response_status: int | None = Field(examples=[204])
    response_excerpt: str | None = Field(description="The beginning of the response's body.")
    error: str | None
    duration_ms: int | None
    created_at: Timestamp
