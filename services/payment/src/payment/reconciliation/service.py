"""Comparing Stripe with the database, and applying its truth."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from dbcommon.engine import Database
from dbcommon.errors import DatabaseError
from payment.history.repository import By
from payment.reconciliation import repository
from payment.reconciliation.comparison import (
    Difference,
    compare,
    is_dispute_known,
    is_intent_known,
    is_refund_known,
    is_session_known,
)
from payment.settlement.adoption import NotKnownYet, adopt, attempt_of, find_attempt
from payment.settlement.readings import METADATA_SERVICE, DisputeReading, Intent, RefundReading, Session
from payment.settlement.repository import read_clock
from payment.settlement.service import INTENT_EXPANSION, apply_reading, find_state, read_attempt
from payment.stripe_api.client import CLOCKS_DIFFER, PAGE, StripeApi, walk
from payment.stripe_api.errors import StripeRefused, StripeUnavailable
from payment.turns.repository import find_turn
from payment.turns.service import Run, take_turn

logger = logging.getLogger(__name__)

BY_RECONCILIATION = By(cause="reconcile")

WINDOW = timedelta(days=3)
"""Objects that were made within it are compared each time: what could be paid, and for how long Stripe sends webhooks."""

FIRST_WINDOW = timedelta(days=60)

REFUNDS_WINDOW = timedelta(days=60)
"""Refunds may fail for so long after they succeeded."""

AT_ONCE = 4
"""Attempts that are read at one time; the calls have a limit of their own."""

Json = Mapping[str, Any]
KeepOn = Callable[[], Awaitable[None]]


async def nothing_to_renew() -> None:
    """For a comparison that holds no turn."""


@dataclass(kw_only=True)
class Reconciliation:
    """A comparison of all that is new or has not ended. `keep_on` is called between calls of Stripe, and may raise."""

    database: Database
    stripe: StripeApi
    is_fixing: bool
    keep_on: KeepOn = nothing_to_renew
    page: int = PAGE
    differences: list[Difference] = field(default_factory=list)
    _suspects: dict[UUID, None] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    async def run(self, since: datetime) -> list[Difference]:
        """The differences of what was made at Stripe since then, of what has not ended, and of refunds of the last 60 days.

        Raises `StripeUnavailable`, `StripeRefused` for a key that is not good, and what `keep_on` raises.
        """
        began_at = await read_clock(self.database)
        late = min(since, began_at - REFUNDS_WINDOW)
        async for batch in self._pages(self.stripe.list_payment_intents, since, expand=_INTENTS):
            await self._look_at_intents(batch)
        async for batch in self._pages(self.stripe.list_checkout_sessions, since):
            await self._look_at_sessions(batch)
        async for batch in self._pages(self.stripe.list_refunds, late):
            await self._look_at_refunds(batch)
        async for batch in self._pages(self.stripe.list_disputes, since):
            await self._look_at_disputes(batch)
        self._suspect(await repository.find_unfinished(self.database))
        made = await repository.find_made_since(
            self.database, since=since + CLOCKS_DIFFER, before=began_at - CLOCKS_DIFFER
        )
        refunds = await repository.find_refunds_since(
            self.database, since=late + CLOCKS_DIFFER, before=began_at - CLOCKS_DIFFER
        )
        self._suspect(attempt for attempt, stripe_id in [*made, *refunds] if stripe_id not in self._seen)
        await self._read_suspects()
        return self.differences

    async def _pages(
        self, list_page: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]], since: datetime, **more: Any
    ) -> AsyncIterator[list[Json]]:
        params = {"limit": self.page, "created": {"gte": int(since.timestamp())}} | more
        batch: list[Json] = []
        async for each in walk(list_page, params):
            batch.append(each)
            if len(batch) == self.page:
                yield batch
                batch = []
                await self.keep_on()
        yield batch

    def _suspect(self, attempt_ids: Iterable[UUID]) -> None:
        self._suspects |= dict.fromkeys(attempt_ids)

    def _add(self, kind: str, thing: Json) -> None:
        self.differences.append(
            Difference(
                object=f"{kind} {thing['id']}",
                order_id=(thing.get("metadata") or {}).get("order_id"),
                ours=None,
                stripe=thing["status"],
                is_fixable=False,
            )
        )

    async def _look_at_intents(self, batch: list[Json]) -> None:
        known = await repository.find_intents(self.database, [each["id"] for each in batch])
        for each in batch:
            self._seen.add(each["id"])
            row = known.get(each["id"])
            if row is None:
                await self._adopt("payment_intent", each)
            elif not is_intent_known(row, Intent.of(each)):
                self._suspect([row.id])

    async def _look_at_sessions(self, batch: list[Json]) -> None:
        known = await repository.find_sessions(self.database, [each["id"] for each in batch])
        for each in batch:
            self._seen.add(each["id"])
            row = known.get(each["id"])
            if row is None:
                await self._adopt("checkout_session", each)
            elif not is_session_known(row, Session.of(each)):
                self._suspect([row.id])

    async def _adopt(self, kind: str, thing: Json) -> None:
        """An object that is not known: of an attempt whose creation was not answered, of none that is stored, or foreign."""
        metadata = thing.get("metadata") or {}
        if not self.is_fixing:
            if attempt_of(metadata) is not None:
                self._add(kind, thing)
            return
        try:
            attempt_id = await adopt(self.database, thing["id"], metadata, url=thing.get("url"))
        except NotKnownYet:
            self._add(kind, thing)
            return
        # An attempt is one object: a second one is told, and not taken for the first.
        if attempt_id is not None and await find_attempt(self.database, thing["id"]) is None:
            self._add(kind, thing)
        elif attempt_id is not None:
            self._suspect([attempt_id])

    async def _look_at_refunds(self, batch: list[Json]) -> None:
        attempts = await repository.find_attempts_of(self.database, _intents_of(batch))
        known = await repository.find_refunds(self.database, [each["id"] for each in batch])
        for each in batch:
            self._seen.add(each["id"])
            attempt_id = attempts.get(each.get("payment_intent") or "")
            if attempt_id is None:
                if (each.get("metadata") or {}).get("service") == METADATA_SERVICE:
                    self._add("refund", each)
            elif not is_refund_known(known.get(each["id"]), RefundReading.of(each)):
                self._suspect([attempt_id])

    async def _look_at_disputes(self, batch: list[Json]) -> None:
        attempts = await repository.find_attempts_of(self.database, _intents_of(batch))
        known = await repository.find_disputes(self.database, [each["id"] for each in batch])
        for each in batch:
            attempt_id = attempts.get(each.get("payment_intent") or "")
            if attempt_id is not None and not is_dispute_known(
                known.get(each["id"]), DisputeReading.of(each)
            ):
                self._suspect([attempt_id])

    async def _read_suspects(self) -> None:
        waiting = iter(self._suspects)
        while chunk := list(islice(waiting, AT_ONCE)):
            for found in await asyncio.gather(*map(self._read, chunk)):
                self.differences += found
            await self.keep_on()

    async def _read(self, attempt_id: UUID) -> list[Difference]:
        """The differences of an attempt. What cannot be read is one, too, so that it is no hindrance to others."""
        try:
            return await self._compare(attempt_id)
        except (DatabaseError, StripeUnavailable):
            raise
        except StripeRefused as refused:
            if refused.http_status in (401, 403):
                raise
            is_gone = refused.code == "resource_missing"
            return [await self._unread(attempt_id, None if is_gone else f"refused: {refused.message}")]
        except Exception as error:
            logger.exception("attempt %s cannot be compared", attempt_id)
            return [await self._unread(attempt_id, f"not understood: {type(error).__name__}")]

    async def _unread(self, attempt_id: UUID, stripe: str | None) -> Difference:
        async with self.database.transaction() as db:
            details = await repository.find_details(db, attempt_id, before=datetime.now(UTC))
        return Difference(
            object=f"{details.kind} {details.stripe_id}",
            order_id=str(details.order_id),
            ours=details.outcome or details.status,
            stripe=stripe,
            is_fixable=False,
        )

    async def _compare(self, attempt_id: UUID) -> list[Difference]:
        reading = await read_attempt(self.database, self.stripe, attempt_id)
        if reading is None:
            return []
        disputes = await repository.find_disputes(self.database, [each.id for each in reading.disputes])
        async with self.database.transaction() as db:
            _, stored = await find_state(db, attempt_id)
            # A refund that is made while Stripe is read is not missing there.
            details = await repository.find_details(db, attempt_id, before=reading.began_at)
        found = compare(stored, details, disputes, reading)
        if not self.is_fixing or not any(each.is_fixable for each in found):
            return found
        async with self.database.transaction(one_at_a_time=reading.order_id) as db:
            await apply_reading(db, attempt_id, reading, BY_RECONCILIATION)
        return [each.fixed() for each in found]


_INTENTS = [f"data.{path}" for path in INTENT_EXPANSION]


def _intents_of(batch: list[Json]) -> list[str]:
    return [each["payment_intent"] for each in batch if each.get("payment_intent")]


async def find_start(database: Database) -> datetime:
    """Since when objects of Stripe are compared, unless somebody says it."""
    now = datetime.now(UTC)
    last: datetime | None = (await find_turn(database, "reconciliation")).finished_at
    if last is None:
        return now - FIRST_WINDOW
    return min(now - WINDOW, last - timedelta(days=1))


async def reconcile_in_turn(
    database: Database,
    stripe: StripeApi,
    *,
    period: timedelta | None,
    since: datetime | None = None,
    page: int = PAGE,
) -> list[Difference] | None:
    """Apply Stripe's truth, and remember how many differences there were. None when another process is about it, or when the
    last run ended less than a `period` ago. Raises `StripeUnavailable`, `StripeRefused`, `TurnLost`."""
    found: list[Difference] = []

    async def reconcile(run: Run) -> dict[str, Any]:
        reconciliation = Reconciliation(
            database=database,
            stripe=stripe.in_background(),
            is_fixing=True,
            keep_on=run.renew,
            page=page,
            differences=found,
        )
        await reconciliation.run(since or await find_start(database))
        return {"differences": len(found), "left": sum(not each.is_fixed for each in found)}

    return found if await take_turn(database, "reconciliation", reconcile, period=period) else None


async def reconcile_by_itself(database: Database, stripe: StripeApi, *, period: timedelta) -> None:
    """`reconcile_in_turn`, and log the differences: nobody is there to be told."""
    for each in await reconcile_in_turn(database, stripe, period=period) or ():
        logger.warning("%s: here %s, at Stripe %s", each.object, each.ours, each.stripe)
