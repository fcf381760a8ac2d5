"""Sending a refund to Stripe: once, and however often its answer is lost.

A refund is stored as `outcome_unknown` before it is sent. Only a reading of Stripe that shows it, or does not, ends that:
no refusal of a later send does, since it says nothing of an earlier one.
"""

import logging
from datetime import timedelta
from uuid import UUID

from dbcommon.engine import Database
from dbcommon.jobs.queue import retry_after
from dbcommon.rows import AnyRow
from payment.history.repository import By
from payment.refunds import repository
from payment.settlement.readings import RefundReading
from payment.settlement.service import settle_attempt, settle_refund
from payment.stripe_api.client import StripeApi, walk
from payment.stripe_api.errors import StripeRefused, StripeUnavailable

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
"""Longer than a send takes, at Stripe too: a request that is older has ended there."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=10)

AT_ONCE = 50

BY_SWEEP = By(cause="sweep")


async def send_refund(database: Database, stripe: StripeApi, refund_id: UUID, by: By) -> None:
    """Send a stored refund, and store what came of it, if that is known.

    Raises `StripeRefused` when Stripe refuses the first send: then it has failed, and its amount is given back. Afterwards
    it may still be `outcome_unknown`.
    """
    async with database.transaction() as db:
        refund = await repository.claim_sending(db, refund_id, lease=LEASE)
    if refund is None:
        return
    try:
        await _send(database, stripe, refund, by)
    except StripeUnavailable as error:
        logger.debug("the outcome of refund %s is unknown: %s", refund_id, error)
        pause = retry_after(refund.earlier_sends + 1, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
        async with database.transaction() as db:
            await repository.look_again(db, refund_id, pause=pause)


async def _send(database: Database, stripe: StripeApi, refund: AnyRow, by: By) -> None:
    if refund.earlier_sends and await _look_up(database, stripe, refund, by):
        return
    if refund.is_key_forgotten:
        await _settle(database, refund, None, by, failure="never_made")
        return
    try:
        made = await stripe.create_refund(refund.parameters, key=f"refund-{refund.id}")
    except StripeRefused as refused:
        if refund.earlier_sends and await _look_up(database, stripe, refund, by):
            return
        await _settle(database, refund, None, by, failure=refused.code or "refused")
        await _learn(database, stripe, refund)
        raise
    except StripeUnavailable as error:
        if not error.is_stored:
            raise
        # Stripe has ended the request with an error of its own, and would repeat that for a day.
        if not await _look_up(database, stripe, refund, by):
            await _settle(database, refund, None, by, failure="stripe_error")
        return
    await _settle(database, refund, RefundReading.of(made), by)


async def _look_up(database: Database, stripe: StripeApi, refund: AnyRow, by: By) -> bool:
    """Whether Stripe shows the refund; then its outcome is stored."""
    params = {"payment_intent": refund.stripe_payment_intent_id}
    async for each in walk(stripe.list_refunds, params):
        reading = RefundReading.of(each)
        if reading.ours == str(refund.id):
            await _settle(database, refund, reading, by)
            return True
    return False


async def _settle(
    database: Database, refund: AnyRow, reading: RefundReading | None, by: By, *, failure: str | None = None
) -> None:
    async with database.transaction(one_at_a_time=refund.order_id) as db:
        await settle_refund(db, refund.id, reading, by, failure=failure)


async def _learn(database: Database, stripe: StripeApi, refund: AnyRow) -> None:
    """Read the payment again: something has changed at Stripe that is not known here."""
    async with database.transaction() as db:
        attempt_id = await repository.find_attempt_id(db, refund.stripe_payment_intent_id)
    if attempt_id is not None:
        try:
            await settle_attempt(database, stripe, attempt_id, By(cause="stripe"))
        except (StripeRefused, StripeUnavailable) as error:
            logger.debug("the payment of refund %s cannot be read: %s", refund.id, error)


async def send_due_refunds(database: Database, stripe: StripeApi) -> None:
    """Send what is to go back by itself, and look into outcomes that are unknown."""
    for refund_id in await repository.find_due(database, limit=AT_ONCE):
        try:
            await send_refund(database, stripe, refund_id, BY_SWEEP)
        except StripeRefused as refused:
            logger.warning("Stripe refuses refund %s: %s", refund_id, refused)
