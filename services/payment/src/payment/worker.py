"""Background work: Stripe's events are applied, overdue orders expire, what is expired is deleted, events are sent to webhook
endpoints, and Stripe is compared with the database."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

from dbcommon.engine import Database
from dbcommon.jobs.batches import repeat_batches
from dbcommon.jobs.periodic import run_every
from dbcommon.schedule import Schedule
from payment.orders.service import expire_overdue
from payment.payments.sweep import close_leftovers, expire_overdue_with_attempts
from payment.receipts.pdf_maker import PdfMaker
from payment.reconciliation.service import reconcile_by_itself
from payment.refunds.sending import send_due_refunds
from payment.settings import Settings
from payment.stripe_api.client import StripeApi
from payment.stripe_api.errors import StripeUnavailable
from payment.stripe_events.service import EventWaker, delete_foreign
from payment.stripe_events.worker import EventWorker
from payment.turns.service import TurnLost
from payment.verification.metrics import VerificationMetrics
from payment.verification.service import measure, verify_in_turn
from payment.webhook_endpoints.service import delete_old_deliveries
from payment.webhook_endpoints.worker import DeliveryWorker
from webcommon.api.idempotency.service import delete_expired
from webcommon.app.service import Service

LOOK_SECONDS = 60
"""How often a process looks whether work is due that one of them does."""

STOP_SECONDS = 3.0
"""How long events that are being applied get at a stop; the next worker would wait for their lease."""


@contextlib.asynccontextmanager
async def working(app: Service) -> AsyncIterator[None]:
    """Do the background work while the block runs. Every replica does, and skips what another has locked or claimed. In the
    end the connections to Stripe are closed, and the program that makes PDFs ends."""
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
        stop_seconds=STOP_SECONDS,
    )
    reconciler = run_every(
        Schedule(seconds=LOOK_SECONDS, jitter=0.1),
        lambda: reconcile_by_itself(database, stripe, period=timedelta(seconds=settings.reconcile_seconds)),
        name="the reconciliation with Stripe",
        expected=(StripeUnavailable, TurnLost),
    )
    metrics = app.component(VerificationMetrics)
    verifier = run_every(
        Schedule(seconds=LOOK_SECONDS, jitter=0.1),
        lambda: look_after_books(database, metrics, period=timedelta(seconds=settings.check_seconds)),
        name="the check of the books",
    )
    async with (
        contextlib.aclosing(stripe),
        contextlib.aclosing(app.component(PdfMaker)),
        sweeper,
        event_worker,
        reconciler,
        verifier,
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
    await repeat_batches(lambda: delete_old_deliveries(database))


async def look_after_books(database: Database, metrics: VerificationMetrics, *, period: timedelta) -> None:
    """Check the books if it is this process's turn, and tell `/metrics` what the last check found."""
    await verify_in_turn(database, period=period)
    await measure(database, metrics)
