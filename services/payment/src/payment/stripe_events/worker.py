"""Applying events: those of one PaymentIntent or session together, after one reading of Stripe."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.errors import DatabaseError
from dbcommon.jobs.queue import Job, retry_after
from payment.history.repository import By
from payment.settlement.adoption import NotKnownYet, adopt, find_attempt
from payment.settlement.readings import Reading
from payment.settlement.repository import insert_decline
from payment.settlement.service import apply_reading, read_attempt
from payment.stripe_api.client import StripeApi
from payment.stripe_api.errors import StripeRefused, StripeUnavailable
from payment.stripe_events import repository
from payment.stripe_events.parsing import Event

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=20)
"""Longer than the readings of an object take, which have one bound together: after a kill the next worker waits so long."""

SUBJECTS_AT_ONCE = 8
EVENTS_AT_ONCE = 200

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=2), timedelta(minutes=10)

PATIENCE = timedelta(hours=24)
"""How long an event waits for its object to become known here."""

MOST_FAILURES = 12
"""After so many failures that are not Stripe's absence, an event is a dead letter."""

BY_STRIPE = By(cause="stripe")


class LeaseLost(Exception):
    """Another worker has taken the events over."""


@dataclass(frozen=True, kw_only=True)
class EventWorker:
    """Applies events. `is_live`: the mode of our key; events of the other mode are foreign."""

    database: Database
    stripe: StripeApi
    is_live: bool

    async def run(self) -> int:
        """Apply the events of some subjects; gives how many subjects there were."""
        async with self.database.transaction() as db:
            jobs = await repository.claim(db, most=SUBJECTS_AT_ONCE, lease=LEASE)
        await asyncio.gather(*map(self._work_on, jobs))
        return len(jobs)

    async def _work_on(self, job: Job) -> None:
        try:
            with self.stripe.one_bound():
                await self._apply(job)
        except DatabaseError:
            raise
        except LeaseLost:
            pass
        except StripeUnavailable as error:
            await self._retry(job, error)
        except NotKnownYet as error:
            await self._retry(job, error, patience=PATIENCE)
        except Exception as error:
            logger.exception("an event of %s cannot be applied", job.subject)
            await self._retry(job, error, most=MOST_FAILURES)

    async def _apply(self, job: Job) -> None:
        rows = await repository.find_pending(self.database, job.subject, most=EVENTS_AT_ONCE)
        events = [Event.of(row.body) for row in rows]
        reasons = {event.id: self._why_foreign(event) for event in events}
        ours = [event for event in events if reasons[event.id] is None]
        attempt_id = await self._find_attempt(job.subject, ours) if ours else None
        if attempt_id is None:
            reasons |= {event.id: "of an object that this service did not make" for event in ours}
        reading = None if attempt_id is None else await read_attempt(self.database, self.stripe, attempt_id)
        locked = None if reading is None else reading.order_id
        async with self.database.transaction(one_at_a_time=locked) as db:
            order_id = None
            if attempt_id is not None and reading is not None:
                order_id = await self._settle(db, attempt_id, reading, ours)
            if not await repository.QUEUE.finish(db, job, **_ending(reasons[job.id], order_id)):
                raise LeaseLost
            for why, group in groupby(sorted(events, key=_reason(reasons)), key=_reason(reasons)):
                await repository.finish(db, [event.id for event in group], _ending(why or None, order_id))

    def _why_foreign(self, event: Event) -> str | None:
        if event.livemode != self.is_live:
            return "of the other mode"
        return None if event.is_handled else "of a type that is not handled"

    async def _settle(
        self, db: AsyncSession, attempt_id: UUID, reading: Reading, events: Sequence[Event]
    ) -> UUID:
        order = await repository.find_order(db, attempt_id)
        await apply_reading(db, attempt_id, reading, BY_STRIPE)
        for event in events:
            if event.declined_charge is not None:
                await insert_decline(db, charge_id=event.declined_charge, user_id=order.user_id)
        order_id: UUID = order.id
        return order_id

    async def _find_attempt(self, subject: str, events: Sequence[Event]) -> UUID | None:
        """The attempt of a subject; None when the object is not ours. Raises `NotKnownYet`."""
        known = await find_attempt(self.database, subject)
        if known is not None:
            return known
        named = (event.metadata for event in events if event.names_this_service)
        metadata = next(named, None)
        if metadata is None:
            metadata = await self._read_metadata(subject)
        return await adopt(self.database, subject, metadata)

    async def _read_metadata(self, subject: str) -> Mapping[str, Any]:
        try:
            if subject.startswith("pi_"):
                return _metadata(await self.stripe.retrieve_payment_intent(subject))
            if subject.startswith("cs_"):
                return _metadata(await self.stripe.retrieve_checkout_session(subject))
        except StripeRefused as refused:
            if refused.code != "resource_missing":
                raise
        return {}

    async def _retry(
        self, job: Job, error: Exception, *, most: int | None = None, patience: timedelta | None = None
    ) -> None:
        pause = retry_after(job.attempts, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
        is_over = most is not None and job.attempts >= most
        if patience is not None:
            is_over = datetime.now(UTC) - job.received_at > patience
        text = f"{type(error).__name__}: {error}"[:500]
        async with self.database.transaction() as db:
            if is_over:
                await repository.QUEUE.give_up(db, job, last_error=text)
            else:
                await repository.QUEUE.retry(db, job, pause=pause)
                await repository.note_error(db, job.id, text)


def _reason(reasons: Mapping[str, str | None]) -> Callable[[Event], str]:
    return lambda event: reasons[event.id] or ""


def _ending(why: str | None, order_id: UUID | None) -> dict[str, Any]:
    return {"foreign_because": why} if why else {"order_id": order_id, "last_error": None}


def _metadata(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    return thing.get("metadata") or {}
