"""The caller's customer at Stripe: made once, and anew when Stripe says that it is gone."""

from typing import Any
from uuid import UUID

from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from payment.payments import repository
from payment.settlement.readings import METADATA_SERVICE
from payment.stripe_api.client import CLOCKS_DIFFER, StripeApi, walk
from payment.stripe_api.errors import StripeRefused, StripeUnavailable


async def ensure_customer(database: Database, stripe: StripeApi, user_id: UUID) -> str:
    """The id of the user's customer at Stripe. Raises `StripeUnavailable`.

    The row and its parameters are stored before the call, and its id is the idempotency key, so that all calls of all
    processes make one customer.
    """
    for is_plain in (False, False, True):
        async with database.transaction() as db:
            customer = await repository.find_or_insert_customer(
                db, user_id, _plain_parameters if is_plain else _parameters_of
            )
        if customer.stripe_id is not None:
            return str(customer.stripe_id)
        made = await _create(stripe, customer)
        if made is not None:
            async with database.transaction() as db:
                await repository.store_customer(db, customer.id, user_id, made["id"])
            return str(made["id"])
        await forget_customer(database, customer.id)
    raise StripeUnavailable


async def _create(stripe: StripeApi, customer: AnyRow) -> dict[str, Any] | None:
    """The customer of a row. None when none was made, and none will be with its key and parameters."""
    try:
        return await stripe.create_customer(customer.parameters, key=f"customer-{customer.id}")
    except StripeRefused:
        return None
    except StripeUnavailable as error:
        if not error.is_stored:
            raise
    # Stripe would repeat its error for a day; it may have made the customer all the same.
    params = {"created": {"gte": int((customer.created_at - CLOCKS_DIFFER).timestamp())}}
    async for each in walk(stripe.list_customers, params):
        if (each.get("metadata") or {}).get("customer_id") == str(customer.id):
            return each
    return None


async def forget_customer(database: Database, customer_id: UUID) -> None:
    """Do not use a customer any more."""
    async with database.transaction() as db:
        await repository.forget_customer(db, customer_id)


def _plain_parameters(customer_id: UUID, user: AnyRow) -> dict[str, Any]:
    """Without what Stripe might refuse: it takes not every address."""
    ids = {"user_id": str(user.id), "customer_id": str(customer_id)}
    return {"metadata": {"service": METADATA_SERVICE} | ids}


def _parameters_of(customer_id: UUID, user: AnyRow) -> dict[str, Any]:
    params = _plain_parameters(customer_id, user)
    # Stripe takes 256 characters of a name, 512 of an address.
    if user.email and len(user.email) <= 512:
        params["email"] = user.email
    if user.name:
        params["name"] = user.name[:256]
    return params
