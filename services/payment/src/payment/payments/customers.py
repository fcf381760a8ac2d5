"""The caller's customer at Stripe: made once, and anew when Stripe says that it is gone."""

from typing import Any
from uuid import UUID

from dbcommon.engine import Database
from payment.payments import repository
from payment.settlement.readings import METADATA_SERVICE
from payment.stripe_api.client import StripeApi
from payment.stripe_api.errors import StripeUnavailable


async def ensure_customer(database: Database, stripe: StripeApi, user_id: UUID) -> str:
    """The id of the user's customer at Stripe. Raises `StripeUnavailable`, `StripeRefused`.

    The row and its parameters are stored before the call, and its id is the idempotency key, so that all calls of all
    processes make one customer.
    """
    while True:
        async with database.transaction() as db:
            customer = await repository.find_or_insert_customer(db, user_id, _parameters_of)
        if customer.stripe_id is not None:
            return str(customer.stripe_id)
        try:
            made = await stripe.create_customer(customer.parameters, key=f"customer-{customer.id}")
        except StripeUnavailable as error:
            if not error.is_stored:
                raise
            # Stripe would repeat this answer for a day. A customer that was made all the same owes nothing.
            await forget_customer(database, customer.id)
            continue
        async with database.transaction() as db:
            await repository.store_customer(db, customer.id, user_id, made["id"])
        return str(made["id"])


async def forget_customer(database: Database, customer_id: UUID) -> None:
    """Do not use a customer any more."""
    async with database.transaction() as db:
        await repository.forget_customer(db, customer_id)


def _parameters_of(user_id: UUID, email: str | None, name: str | None) -> dict[str, Any]:
    params: dict[str, Any] = {"metadata": {"service": METADATA_SERVICE, "user_id": str(user_id)}}
    # Stripe takes 256 characters of a name, 512 of an address.
    if email and len(email) <= 512:
        params["email"] = email
    if name:
        params["name"] = name[:256]
    return params
