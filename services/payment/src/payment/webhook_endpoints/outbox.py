"""Adds events in the transaction of the change that they report, so that neither is there without the other."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.models import new_id
from payment.models import OrderEventType, OutgoingEventType
from payment.webhook_endpoints import repository
from webcommon.api.schemas import in_utc


async def append_event(
    db: AsyncSession,
    *,
    type: OrderEventType,  # noqa: A002 - the field's name on the wire
    order_id: UUID,
    change_key: str,
    body: str,
) -> UUID | None:
    """Add an event of an order, and its deliveries to the endpoints that are subscribed now; gives its id.

    `body` is the JSON of the order after the change. `change_key` names the change (the id of a refund, say): None, and
    nothing is added, when the order has an event of this type for it. Locks the order.
    """
    if not await repository.lock_order(db, order_id):
        raise LookupError(f"there is no order {order_id}")
    return await _append(db, type, order_id=order_id, change_key=change_key, body=body)


async def append_disabled(db: AsyncSession, endpoint_id: UUID) -> None:
    """Add the event that an endpoint was disabled. To the endpoint itself it is not sent, but stands among its deliveries."""
    body = await repository.find_endpoint_json(db, endpoint_id)
    event_id = await _append(
        db, "webhook_endpoint.disabled", order_id=None, change_key=str(endpoint_id), body=body
    )
    if event_id is not None:
        await repository.insert_failed_delivery(
            db, event_id, endpoint_id=endpoint_id, error="the endpoint is disabled"
        )


async def _append(
    db: AsyncSession,
    type: OutgoingEventType,  # noqa: A002 - as above
    *,
    order_id: UUID | None,
    change_key: str,
    body: str,
) -> UUID | None:
    event_id, now = new_id(), in_utc(await repository.read_now(db))
    envelope = f'{{"id":"{event_id}","type":"{type}","created_at":"{now}","data":{{"object":{body}}}}}'
    if not await repository.insert_event(
        db, event_id, type=type, order_id=order_id, change_key=change_key, body=envelope
    ):
        return None
    await repository.insert_deliveries(db, event_id)
    return event_id
