"""Storing an event, in one statement."""

import asyncio
import time
from collections.abc import Sequence

from dbcommon.engine import Database
from payment.stripe_events import repository
from payment.stripe_events.errors import InvalidStripeEvent
from payment.stripe_events.parsing import Event
from payment.stripe_events.signature import is_signed

DELETED_AT_ONCE = 1_000


class EventWaker(asyncio.Event):
    """Set when this process has stored an event; the worker waits for it. Other processes find it at their next look."""


async def take_event(
    database: Database, waker: EventWaker, body: bytes, signature: str | None, *, secrets: Sequence[str]
) -> None:
    """Store an event; it is safe when this returns. The same event again changes nothing. Raises `InvalidStripeEvent`."""
    if signature is None or not is_signed(body, signature, secrets, now=time.time()):
        raise InvalidStripeEvent(
            "The Stripe-Signature is missing, or none of STRIPE_WEBHOOK_SECRETS made it within 5 minutes."
        )
    try:
        text = body.decode()
        event = Event.of(text)
    except (ValueError, RecursionError) as error:
        raise InvalidStripeEvent("The body is no event.") from error
    await repository.store_event(database, event, text)
    waker.set()


async def delete_foreign(database: Database) -> int:
    """Delete events that were kept without being applied, after 30 days; gives how many."""
    async with database.transaction() as db:
        return await repository.delete_foreign(db, limit=DELETED_AT_ONCE)
