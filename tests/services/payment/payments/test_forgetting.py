"""A deleted account: its orders stay, without address and name, and its customer at Stripe is deleted."""

from uuid import UUID, uuid4

from payment.payments.forgetting import forget_user
from tests.services.payment.purchases import Purchases
from tests.services.payment.shop import Sql


async def test_forgotten_user_leaves_orders_without_address_and_name(purchases: Purchases, sql: Sql) -> None:
    buyer = purchases.buyer()
    order = await purchases.paid(buyer=buyer)
    user_id = UUID(order["user_id"])
    assert purchases.account.all("customer")[-1]["email"] is not None
    assert await forget_user(purchases.database, purchases.stripe, user_id)
    assert purchases.account.all("customer")[-1].get("deleted") is True
    # A token of before the deletion brings nothing back.
    assert (await purchases.read(order, buyer=buyer))["status"] == "paid"
    row = await sql.fetchrow("SELECT email, name, stripe_customer_id FROM users WHERE id = $1", user_id)
    assert row is not None
    assert tuple(row) == (None, None, None)
    kept = await sql.fetchval("SELECT parameters::text FROM stripe_customers WHERE user_id = $1", user_id)
    assert "@" not in kept
    assert await forget_user(purchases.database, purchases.stripe, user_id), "again it changes nothing"


async def test_forgetting_goes_on_after_stripe_was_away(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    order = await purchases.paid(buyer=buyer)
    customer = purchases.account.all("customer")[-1]
    await purchases.account.client.v1.customers.delete_async(customer["id"])
    assert await forget_user(purchases.database, purchases.stripe, UUID(order["user_id"]))
    assert not await forget_user(purchases.database, purchases.stripe, uuid4())
