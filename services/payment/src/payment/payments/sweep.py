"""What expires: unpaid orders for which something can be paid at Stripe. It is closed there first."""

import logging

from dbcommon.engine import Database
from payment.history.repository import By
from payment.orders import repository as orders
from payment.payments import repository
from payment.payments.attempts import close_attempt
from payment.payments.errors import OrderNotCancellable, PaymentBusy, PaymentProcessing
from payment.payments.service import MOST_DECLINES_AN_HOUR, close_unpaid_order
from payment.stripe_api.client import StripeApi
from payment.stripe_api.errors import StripeRefused, StripeUnavailable

logger = logging.getLogger(__name__)

AT_ONCE = 100

BY_SWEEP = By(cause="sweep")


async def expire_overdue_with_attempts(database: Database, stripe: StripeApi) -> None:
    """Close what can be paid for overdue orders, then expire them. One that was paid meanwhile is paid."""
    for order_id in await orders.find_overdue_with_attempts(database, limit=AT_ONCE):
        try:
            await close_unpaid_order(database, stripe, order_id, "expired", BY_SWEEP)
        except (OrderNotCancellable, PaymentBusy, PaymentProcessing):
            continue
        except StripeUnavailable:
            logger.debug("Stripe is away; order %s expires later", order_id)
            return
        except StripeRefused as refused:
            logger.warning("order %s cannot expire, Stripe refused: %s", order_id, refused)


async def close_leftovers(database: Database, stripe: StripeApi) -> None:
    """Close what can still be paid for orders that are paid or closed, and by buyers of too many declined cards."""
    for attempt in await repository.find_leftovers(
        database, most_declines=MOST_DECLINES_AN_HOUR, limit=AT_ONCE
    ):
        try:
            await close_attempt(database, stripe, attempt, BY_SWEEP)
        except StripeUnavailable:
            return
        except StripeRefused as refused:
            logger.warning("attempt %s cannot be closed, Stripe refused: %s", attempt.id, refused)
