"""The statements on the timeline of orders."""

from functools import cache
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import ColumnElement, Uuid, and_, bindparam, case, literal_column, select

from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from dbcommon.json_rows import Column, json_item, json_timestamp, prepare_page
from payment.models import Order, PaymentEvent
from payment.money_columns import amount_as_text

_VIEWER: ColumnElement[UUID] = bindparam("viewer", type_=Uuid())
_ORDER_ID: ColumnElement[UUID] = bindparam("order_id", type_=Uuid())
_TOLD = PaymentEvent.subject.in_([literal_column("'payment'"), literal_column("'attempt'")])
"""What an admin, a bank or Stripe has noted about anything else is not for the customer."""


async def find_page(
    database: Database, order_id: UUID, *, viewer: UUID | None, after: int | None, limit: int
) -> "asyncpg.Record":
    """A page of the JSON of `TimelineEvent`, oldest first, from the one after `after` on, then whether there is such an
    order. It is as its customer `viewer` sees it; None for an admin."""
    given = {"order_id": order_id, "viewer": viewer, "last_id": after}
    parameters: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return await database.fetch_page(_prepare_page(frozenset(parameters)), **parameters, limit=limit)


@cache
def _prepare_page(names: frozenset[str]) -> DriverStatement:
    is_customer = "viewer" in names
    is_seen = Order.id == _ORDER_ID
    actor_id: Column = PaymentEvent.actor_id
    note: Column = PaymentEvent.note
    if is_customer:
        is_seen = and_(is_seen, Order.user_id == _VIEWER)
        actor_id = case((actor_id == _VIEWER, actor_id))
        note = case((_TOLD, note))
    item = json_item(
        at=json_timestamp(PaymentEvent.at),
        cause=PaymentEvent.cause,
        actor_id=actor_id,
        subject=PaymentEvent.subject,
        subject_id=PaymentEvent.subject_id,
        from_status=PaymentEvent.from_status,
        to_status=PaymentEvent.to_status,
        amount=amount_as_text(PaymentEvent.amount, Order.currency),
        stripe_id=PaymentEvent.stripe_id,
        note=note,
    )
    events = (
        select(item, PaymentEvent.id)
        .join(Order, Order.id == PaymentEvent.order_id)
        .where(PaymentEvent.order_id == _ORDER_ID, is_seen)
        .order_by(PaymentEvent.id)
    )
    if "last_id" in names:
        events = events.where(PaymentEvent.id > bindparam("last_id", type_=PaymentEvent.id.type))
    return prepare_page(events, select(Order.id).where(is_seen).exists().label("is_found"))
