"""`/v1/webhooks/stripe`."""

from fastapi import APIRouter, Request, Response
from pydantic import Field

from dbcommon.session import DatabaseDep
from payment.dependencies import SettingsDep
from payment.stripe_events import service
from payment.stripe_events.dependencies import WakerDep
from payment.stripe_events.errors import InvalidStripeEvent
from webcommon.api.problems import ContentTooLarge, problem_responses
from webcommon.api.schemas import ResponseBody
from webcommon.app.fast_path import fast_path
from webcommon.app.service import BODY_LIMIT

_STORED = b'{"received":true}'

EXAMPLE = {
    "id": "evt_1",
    "object": "event",
    "type": "payment_intent.succeeded",
    "livemode": False,
    "data": {"object": {"id": "pi_1", "object": "payment_intent"}},
}


class StoredEvent(ResponseBody):
    """The event is stored."""

    received: bool = Field(examples=[True])


router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


@router.post(
    "/stripe",
    operation_id="take_stripe_event",
    summary="Where Stripe sends its events",
    response_model=StoredEvent,
    responses=problem_responses(InvalidStripeEvent),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "object"}, "examples": {"event": {"value": EXAMPLE}}}
            },
        }
    },
)
@fast_path
async def take_stripe_event(
    request: Request, database: DatabaseDep, waker: WakerDep, settings: SettingsDep
) -> Response:
    """Takes any event with a valid signature, once it is stored. A worker applies it afterwards."""
    await service.take_event(
        database,
        waker,
        await _read_body(request),
        request.headers.get("stripe-signature"),
        secrets=settings.webhook_secrets,
    )
    return Response(_STORED, media_type="application/json")


async def _read_body(request: Request) -> bytes:
    """The body. Raises `ContentTooLarge`: the fast path leaves the limit to the route."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_LIMIT:
            raise ContentTooLarge(f"An event has at most {BODY_LIMIT:,} bytes.")
        parts.append(part)
    return b"".join(parts)
