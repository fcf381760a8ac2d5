"""The statements on webhook endpoints, outgoing events and deliveries."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import (
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from dbcommon.jobs.queue import Job, Queue
from dbcommon.json_rows import Column, json_item, json_timestamp, prepare_page
from dbcommon.rows import AnyRow
from payment.models import (
    DisabledReason,
    Order,
    OutgoingEvent,
    OutgoingEventType,
    WebhookDelivery,
    WebhookEndpoint,
)

QUEUE = Queue(WebhookDelivery, key="lane", position="sequence")

KEPT = timedelta(days=90)
"""How long a delivery is kept that has arrived or was given up. Its event stays: what was told once is told no more."""

_ENDPOINT = (
    WebhookEndpoint.id,
    WebhookEndpoint.url,
    WebhookEndpoint.description,
    WebhookEndpoint.event_types,
    WebhookEndpoint.status,
    WebhookEndpoint.disabled_reason,
    WebhookEndpoint.first_failure_at,
    case((WebhookEndpoint.previous_secret_until > func.now(), WebhookEndpoint.previous_secret_until)).label(
        "previous_secret_until"
    ),
    WebhookEndpoint.created_at,
    WebhookEndpoint.updated_at,
)
_TIMES = ("first_failure_at", "previous_secret_until", "created_at", "updated_at")
_ENDPOINT_AS_JSON = json_item(
    **{column.key: json_timestamp(column) if column.key in _TIMES else column for column in _ENDPOINT}
)

_STATUS = case(
    (WebhookDelivery.done_at.is_not(None), literal_column("'delivered'", Text())),
    (WebhookDelivery.failed_at.is_not(None), literal_column("'failed'", Text())),
    else_=literal_column("'pending'", Text()),
).label("status")
_DELIVERY: dict[str, Column] = {
    "id": WebhookDelivery.id,
    "event_id": WebhookDelivery.event_id,
    "event_type": OutgoingEvent.type,
    "order_id": OutgoingEvent.order_id,
    "status": _STATUS,
    "attempts": WebhookDelivery.attempts,
    "next_attempt_at": case((QUEUE.pending, WebhookDelivery.due_at)),
    "last_attempt_at": WebhookDelivery.last_attempt_at,
    "response_status": WebhookDelivery.response_status,
    "response_excerpt": WebhookDelivery.response_excerpt,
    "error": WebhookDelivery.error,
    "duration_ms": WebhookDelivery.duration_ms,
    "created_at": WebhookDelivery.created_at,
}
_DELIVERY_AS_JSON = json_item(
    **{name: json_timestamp(column) if name.endswith("_at") else column for name, column in _DELIVERY.items()}
)

_IS_BEING_SENT = and_(
    WebhookDelivery.ended_attempts < WebhookDelivery.attempts, WebhookDelivery.due_at > func.now()
)
"""An attempt has begun whose end is not known, and its lease is not over."""


async def insert_endpoint(db: AsyncSession, columns: Mapping[str, Any]) -> AnyRow:
    """The new endpoint."""
    return (await db.execute(insert(WebhookEndpoint).values(columns).returning(*_ENDPOINT))).one()


async def find_endpoint(database: Database, endpoint_id: UUID) -> AnyRow | None:
    """The endpoint, without its secrets."""
    return await database.fetch_one(select(*_ENDPOINT).where(WebhookEndpoint.id == endpoint_id))


async def lock_endpoint(db: AsyncSession, endpoint_id: UUID) -> AnyRow | None:
    """The endpoint, locked against changes until the transaction ends."""
    statement = select(*_ENDPOINT).where(WebhookEndpoint.id == endpoint_id)
    return (await db.execute(statement.with_for_update(key_share=True))).one_or_none()


async def update_endpoint(db: AsyncSession, endpoint_id: UUID, columns: Mapping[str, Any]) -> AnyRow | None:
    """The changed endpoint; None when there is none."""
    changed = update(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id)
    statement = changed.values(**columns, updated_at=func.now()).returning(*_ENDPOINT)
    return (await db.execute(statement)).one_or_none()


async def rotate_secret(
    db: AsyncSession, endpoint_id: UUID, *, secret: bytes, overlap: timedelta
) -> AnyRow | None:
    """Set a new secret; the present one signs as well for the time of `overlap`. None without the endpoint."""
    columns = {
        "secret": secret,
        "previous_secret": WebhookEndpoint.secret,
        "previous_secret_until": func.now() + overlap,
    }
    return await update_endpoint(db, endpoint_id, columns)


async def delete_endpoint(db: AsyncSession, endpoint_id: UUID) -> bool:
    """Delete the endpoint with its deliveries. False when there is none."""
    statement = delete(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id)
    return (await db.execute(statement.returning(WebhookEndpoint.id))).one_or_none() is not None


Position = tuple[datetime, UUID]


async def find_endpoints(database: Database, *, before: Position | None, limit: int) -> "asyncpg.Record":
    """A page of the JSON of `WebhookEndpoint`, newest first, from the one after `before` on."""
    statement = _prepare_endpoints(is_first=before is None)
    return await database.fetch_page(statement, **_last(before), limit=limit)


async def find_deliveries(
    database: Database, endpoint_id: UUID, *, before: Position | None, limit: int
) -> "asyncpg.Record":
    """A page of the JSON of an endpoint's `WebhookDelivery`, newest first, from the one after `before` on."""
    statement = _prepare_deliveries(is_first=before is None)
    return await database.fetch_page(statement, endpoint=endpoint_id, **_last(before), limit=limit)


def _last(before: Position | None) -> dict[str, Any]:
    return {} if before is None else {"last_time": before[0], "last_id": before[1]}


@cache
def _prepare_endpoints(*, is_first: bool) -> DriverStatement:
    statement = select(_ENDPOINT_AS_JSON, WebhookEndpoint.created_at, WebhookEndpoint.id)
    return _newest_first(statement, WebhookEndpoint, is_first=is_first)


@cache
def _prepare_deliveries(*, is_first: bool) -> DriverStatement:
    statement = (
        select(_DELIVERY_AS_JSON, WebhookDelivery.created_at, WebhookDelivery.id)
        .join(OutgoingEvent, OutgoingEvent.id == WebhookDelivery.event_id)
        .where(WebhookDelivery.endpoint_id == bindparam("endpoint", type_=Uuid()))
    )
    return _newest_first(statement, WebhookDelivery, is_first=is_first)


def _newest_first(
    statement: Select[*tuple[Any, ...]],
    model: type[WebhookEndpoint | WebhookDelivery],
    *,
    is_first: bool,
) -> DriverStatement:
    if not is_first:
        last = bindparam("last_time", type_=model.created_at.type), bindparam("last_id", type_=Uuid())
        statement = statement.where(tuple_(model.created_at, model.id) < tuple_(*last))
    return prepare_page(statement.order_by(model.created_at.desc(), model.id.desc()))


async def has_endpoint(database: Database, endpoint_id: UUID) -> bool:
    """Whether there is such an endpoint."""
    statement = select(exists().where(WebhookEndpoint.id == endpoint_id))
    row = await database.fetch_one(statement)
    return row is not None and bool(row[0])


async def find_delivery(db: AsyncSession, endpoint_id: UUID, delivery_id: UUID) -> AnyRow | None:
    """A delivery of the endpoint."""
    columns = [column.label(name) for name, column in _DELIVERY.items()]
    statement = (
        select(*columns)
        .join(OutgoingEvent, OutgoingEvent.id == WebhookDelivery.event_id)
        .where(WebhookDelivery.id == delivery_id, WebhookDelivery.endpoint_id == endpoint_id)
    )
    return (await db.execute(statement)).one_or_none()


async def redeliver(db: AsyncSession, endpoint_id: UUID, delivery_id: UUID) -> None:
    """Make a delivery due at once, unless it is being sent."""
    wanted = (WebhookDelivery.id == delivery_id, WebhookDelivery.endpoint_id == endpoint_id, ~_IS_BEING_SENT)
    again = {
        "due_at": func.now(),
        "done_at": None,
        "failed_at": None,
        "failures": 0,
        "failing_since": None,
    }
    await db.execute(update(WebhookDelivery).where(*wanted).values(again))


async def read_now(db: AsyncSession) -> datetime:
    """The time at which the transaction began."""
    now: datetime = (await db.execute(select(func.now()))).scalar_one()
    return now


async def lock_order(db: AsyncSession, order_id: UUID) -> bool:
    """Lock an order, so that its events have one order. False when there is none."""
    statement = select(Order.id).where(Order.id == order_id).with_for_update(key_share=True)
    return (await db.execute(statement)).one_or_none() is not None


async def insert_event(
    db: AsyncSession,
    event_id: UUID,
    *,
    type: OutgoingEventType,  # noqa: A002 - the column's name
    order_id: UUID | None,
    change_key: str,
    body: str,
) -> bool:
    """Add an event; False when the change has one of this type. This transaction has locked the order."""
    number = select(func.coalesce(func.max(OutgoingEvent.sequence), 0) + 1)
    values = {
        "id": event_id,
        "type": type,
        "order_id": order_id,
        "sequence": None
        if order_id is None
        else number.where(OutgoingEvent.order_id == order_id).scalar_subquery(),
        "change_key": change_key,
        "body": body,
    }
    statement = upsert(OutgoingEvent).values(values)
    once = statement.on_conflict_do_nothing(constraint="uq_outgoing_events_order_id_type_change_key")
    return (await db.execute(once.returning(OutgoingEvent.id))).one_or_none() is not None


async def insert_deliveries(db: AsyncSession, event_id: UUID) -> None:
    """Add a delivery of the event to every endpoint that is enabled and subscribed to its type."""
    event = select(OutgoingEvent).where(OutgoingEvent.id == event_id).subquery()
    lane = cast(WebhookEndpoint.id, Text) + literal_column("' '", Text()) + cast(event.c.order_id, Text)
    # Locked, since an endpoint that is deleted meanwhile would make the foreign key fail.
    source = (
        select(literal(event_id), WebhookEndpoint.id, lane, event.c.sequence)
        .where(WebhookEndpoint.status == "enabled", event.c.type == any_(WebhookEndpoint.event_types))
        .order_by(WebhookEndpoint.id)
        .with_for_update(read=True, key_share=True, of=WebhookEndpoint)
    )
    columns = ["event_id", "endpoint_id", "lane", "sequence"]
    await db.execute(insert(WebhookDelivery).from_select(columns, source, include_defaults=False))


async def insert_failed_delivery(db: AsyncSession, event_id: UUID, *, endpoint_id: UUID, error: str) -> None:
    """Add a delivery that is not to be sent."""
    values = {"event_id": event_id, "endpoint_id": endpoint_id, "failed_at": func.now(), "error": error}
    await db.execute(insert(WebhookDelivery).values(values))


async def find_endpoint_json(db: AsyncSession, endpoint_id: UUID) -> str:
    """The JSON of `WebhookEndpoint`."""
    statement = select(_ENDPOINT_AS_JSON).where(WebhookEndpoint.id == endpoint_id)
    item: str = (await db.execute(statement)).scalar_one()
    return item


_WITH_DUE = select(WebhookEndpoint.id).where(
    exists().where(
        WebhookDelivery.endpoint_id == WebhookEndpoint.id,
        QUEUE.pending,
        WebhookDelivery.attempts >= literal_column("0"),  # as the index's condition has it
        WebhookDelivery.due_at <= func.now(),
    )
)


async def find_endpoints_with_due(database: Database) -> list[UUID]:
    """The endpoints for which a delivery is due."""
    return [row.id for row in await database.fetch_all(_WITH_DUE)]


async def claim_deliveries(
    db: AsyncSession, endpoint_id: UUID, *, most: int, lease: timedelta
) -> Sequence[Job]:
    """Claim deliveries of an endpoint that are due, of each order the earliest. No other process can claim them until the
    lease ends."""
    columns = (WebhookDelivery.event_id, WebhookDelivery.failures, WebhookDelivery.failing_since)
    is_to = WebhookDelivery.endpoint_id == endpoint_id
    return await QUEUE.claim(db, *columns, most=most, lease=lease, where=is_to)


async def find_target(db: AsyncSession, endpoint_id: UUID) -> AnyRow | None:
    """What sending to an endpoint takes: `previous_secret` is None when it signs no longer."""
    signs = WebhookEndpoint.previous_secret_until > func.now()
    statement = select(
        WebhookEndpoint.url,
        WebhookEndpoint.status,
        WebhookEndpoint.secret,
        case((signs, WebhookEndpoint.previous_secret), else_=null()).label("previous_secret"),
    ).where(WebhookEndpoint.id == endpoint_id)
    return (await db.execute(statement)).one_or_none()


async def find_bodies(db: AsyncSession, event_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The bodies of events."""
    statement = select(OutgoingEvent.id, OutgoingEvent.body).where(OutgoingEvent.id.in_(event_ids))
    return {row.id: row.body for row in await db.execute(statement)}


async def note_success(db: AsyncSession, endpoint_id: UUID) -> None:
    """Forget the endpoint's failures."""
    failing = (WebhookEndpoint.id == endpoint_id, WebhookEndpoint.first_failure_at.is_not(None))
    await db.execute(update(WebhookEndpoint).where(*failing).values(first_failure_at=None))


async def note_failure(db: AsyncSession, endpoint_id: UUID) -> AnyRow | None:
    """Note a failure of an endpoint, and lock it; its status, its first failure, and the time. None without the endpoint."""
    first = func.coalesce(WebhookEndpoint.first_failure_at, func.now())
    statement = (
        update(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id).values(first_failure_at=first)
    )
    noted = statement.returning(
        WebhookEndpoint.status, WebhookEndpoint.first_failure_at, func.now().label("now")
    )
    return (await db.execute(noted)).one_or_none()


async def disable_endpoint(db: AsyncSession, endpoint_id: UUID, *, reason: DisabledReason) -> AnyRow | None:
    """Disable an endpoint and give up what waits for it; None without the endpoint."""
    row = await update_endpoint(db, endpoint_id, {"status": "disabled", "disabled_reason": reason})
    await give_up_waiting(db, endpoint_id)
    return row


async def give_up_waiting(db: AsyncSession, endpoint_id: UUID) -> None:
    """Give up all deliveries that wait for an endpoint, which is disabled."""
    error = func.coalesce(WebhookDelivery.error, "the endpoint is disabled")
    waiting = (WebhookDelivery.endpoint_id == endpoint_id, QUEUE.pending)
    statement = update(WebhookDelivery).where(*waiting)
    await db.execute(
        statement.values(failed_at=func.now(), error=error).execution_options(synchronize_session=False)
    )


async def delete_old_deliveries(db: AsyncSession, *, limit: int) -> int:
    """Delete deliveries that have ended and are older than 90 days; gives how many. By the index of each endpoint's."""
    old = (
        select(WebhookDelivery.id)
        .where(
            WebhookDelivery.endpoint_id == WebhookEndpoint.id,
            WebhookDelivery.created_at < func.now() - KEPT,
            ~QUEUE.pending,
        )
        .order_by(WebhookDelivery.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .lateral()
    )
    ids = select(old.c.id).select_from(WebhookEndpoint).join(old, true()).limit(limit)
    statement = delete(WebhookDelivery).where(WebhookDelivery.id.in_(ids)).returning(WebhookDelivery.id)
    return len((await db.execute(statement.execution_options(synchronize_session=False))).all())
