"""Forgetting a user whose account was deleted: the orders stay, address and name do not."""

from uuid import UUID

from dbcommon.engine import Database
from payment.payments import repository
from payment.payments.customers import forget_customer
from payment.stripe_api.client import StripeApi
from payment.stripe_api.errors import StripeRefused


async def forget_user(database: Database, stripe: StripeApi, user_id: UUID) -> bool:
    """Delete a user's address and name here, and the customer at Stripe; False when there is no such user.

    What Stripe does not answer is done by the next call. Raises `StripeUnavailable`, `StripeRefused`.
    """
    async with database.transaction() as db:
        if not await repository.erase_user(db, user_id):
            return False
        customers = await repository.find_customers(db, user_id)
    for customer in customers:
        if customer.stripe_id is not None:
            await _delete(stripe, customer.stripe_id)
        await forget_customer(database, customer.id)
    return True


async def _delete(stripe: StripeApi, customer: str) -> None:
    try:
        await stripe.delete_customer(customer)
    except StripeRefused as refused:
        if refused.code != "resource_missing":  # somebody was faster
            raise
