"""Background work: Stripe's events are applied, overdue orders expire, what is expired is deleted, and events are sent to
webhook endpoints."""

import contextlib
from collections.abc import AsyncIterator

from dbcommon.engine import Database
from dbcommon.jobs.batches import repeat_batches
from dbcommon.jobs.periodic import run_every
from dbcommon.schedule import Schedule
from payment.orders.service import expire_overdue
from payment.payments.sweep import close_leftovers, expire_overdue_with_attempts
from payment.refunds.sending import send_due_refunds
from payment.settings import Settings
from payment.stripe_api.client import StripeApi
from payment.stripe_events.service import EventWaker, delete_foreign
from payment.stripe_events.worker import EventWorker
from payment.webhook_endpoints.worker import DeliveryWorker
from webcommon.api.idempotency.service import delete_expired
from webcommon.app.service import Service


@contextlib.asynccontextmanager
async def working(app: Service) -> AsyncIterator[None]:
    """Do the background work while the block runs. Every replica does, and skips what another has locked or claimed. In the
    end the connections to Stripe are closed."""
    settings, database, stripe = app.component(Settings), app.component(Database), app.component(StripeApi)
    in_background = stripe.in_background()
    worker = EventWorker(database=database, stripe=in_background, is_live=settings.is_live)
    sweeper = run_every(
        Schedule(seconds=settings.sweep_seconds, jitter=0.1),
        lambda: sweep(database, in_background),
        name="the sweep",
    )
    event_worker = run_every(
        Schedule(seconds=settings.event_seconds, jitter=0.1),
        lambda: repeat_batches(worker.run),
        name="the worker of Stripe's events",
        wake=app.component(EventWaker),
    )
    async with (
        contextlib.aclosing(stripe),
        sweeper,
        event_worker,
        app.component(DeliveryWorker).running(),
    ):
        yield


async def sweep(database: Database, stripe: StripeApi) -> None:
    """Do all that is due now, in small transactions."""
    await repeat_batches(lambda: expire_overdue(database))
    await expire_overdue_with_attempts(database, stripe)
    await close_leftovers(database, stripe)
    await send_due_refunds(database, stripe)
    await repeat_batches(lambda: delete_expired(database))
    await repeat_batches(lambda: delete_foreign(database))
