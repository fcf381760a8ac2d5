"""Background work: overdue orders are expired, expired idempotency keys are deleted, and events are sent to webhook
endpoints."""

import contextlib
from collections.abc import AsyncIterator

from dbcommon.engine import Database
from dbcommon.jobs.batches import repeat_batches
from dbcommon.jobs.periodic import run_every
from dbcommon.schedule import Schedule
from payment.orders.service import expire_overdue
from payment.settings import Settings
from payment.stripe_api.client import StripeApi
from payment.webhook_endpoints.worker import DeliveryWorker
from webcommon.api.idempotency.service import delete_expired
from webcommon.app.service import Service


@contextlib.asynccontextmanager
async def working(app: Service) -> AsyncIterator[None]:
    """Sweep every `sweep_seconds` and send events while the block runs. Every replica does, and skips what another has
    locked. In the end the connections to Stripe are closed."""
    schedule = Schedule(seconds=app.component(Settings).sweep_seconds, jitter=0.1)
    sweeper = run_every(schedule, lambda: sweep(app.component(Database)), name="the sweep")
    async with (
        contextlib.aclosing(app.component(StripeApi)),
        sweeper,
        app.component(DeliveryWorker).running(),
    ):
        yield


async def sweep(database: Database) -> None:
    """Do all that is due now, in small transactions."""
    await repeat_batches(lambda: expire_overdue(database))
    await repeat_batches(lambda: delete_expired(database))
