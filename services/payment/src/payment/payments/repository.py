"""The statements on payments, their attempts, and customers at Stripe."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, bindparam, func, insert, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_timestamp
from dbcommon.models import new_id
from dbcommon.rows import AnyRow
from payment.listings.repository import Listing, text_parameter
from payment.models import Decline, Order, OrderItem, Payment, PaymentAttempt, StripeCustomer, User
from payment.money_columns import amount_as_text
from payment.stripe_api.client import KEY_LIFETIME

_ATTEMPT = (
    PaymentAttempt.id,
    PaymentAttempt.order_id,
    PaymentAttempt.kind,
    PaymentAttempt.parameters,
    PaymentAttempt.stripe_id,
    PaymentAttempt.client_secret,
    PaymentAttempt.url,
    PaymentAttempt.first_sent_at,
    (PaymentAttempt.first_sent_at < func.now() - KEY_LIFETIME).label("is_key_forgotten"),
    PaymentAttempt.created_at,
)

_PAYMENT_AS_JSON = json_item(
    id=Payment.id,
    order_id=Payment.order_id,
    user_id=Order.user_id,
    status=Payment.status,
    amount=amount_as_text(Payment.amount, Payment.currency),
    currency=Payment.currency,
    stripe_payment_intent_id=Payment.stripe_payment_intent_id,
    stripe_charge_id=Payment.stripe_charge_id,
    payment_method=Payment.payment_method,
    next_action_type=Payment.next_action_type,
    last_error=Payment.last_error,
    paid_at=json_timestamp(Payment.paid_at),
    created_at=json_timestamp(Payment.created_at),
)
_IS_OF_OWNER = Order.user_id == bindparam("owner", type_=Uuid())

PAYMENTS = Listing(
    select(_PAYMENT_AS_JSON, Payment.created_at, Payment.id).join(Order, Order.id == Payment.order_id),
    created_at=Payment.created_at,
    id=Payment.id,
    conditions={
        "owner": _IS_OF_OWNER,
        "status": Payment.status == text_parameter("status"),
        # Of whichever attempt: the payment itself names the latest.
        "intent": Payment.id
        == select(PaymentAttempt.payment_id)
        .where(PaymentAttempt.stripe_payment_intent_id == text_parameter("intent"))
        .scalar_subquery(),
        "session": Payment.id
        == select(PaymentAttempt.payment_id)
        .where(PaymentAttempt.stripe_id == text_parameter("session"))
        .scalar_subquery(),
        "charge": Payment.stripe_charge_id == text_parameter("charge"),
    },
)
"""The JSON of `Payment`."""

_ONE = (
    select(_PAYMENT_AS_JSON)
    .join(Order, Order.id == Payment.order_id)
    .where(Payment.id == bindparam("payment_id", type_=Uuid()))
)
_FIND_ANY, _FIND_OWN = DriverStatement(_ONE), DriverStatement(_ONE.where(_IS_OF_OWNER))


async def find_payment_as_json(database: Database, payment_id: UUID, *, owner: UUID | None) -> str | None:
    """The JSON of `Payment`; of `owner` only unless that is None."""
    if owner is None:
        record = await database.fetch_record(_FIND_ANY, payment_id=payment_id)
    else:
        record = await database.fetch_record(_FIND_OWN, payment_id=payment_id, owner=owner)
    return None if record is None else record["item"]


async def find_open_attempt(db: AsyncSession, order_id: UUID) -> AnyRow | None:
    """What can be paid at Stripe for the order, or is being made there."""
    statement = select(*_ATTEMPT).where(
        PaymentAttempt.order_id == order_id, PaymentAttempt.closed_at.is_(None)
    )
    return (await db.execute(statement)).one_or_none()


async def find_leftovers(database: Database, *, most_declines: int, limit: int) -> Sequence[AnyRow]:
    """Open attempts of orders that no longer wait for money, and of users with more declines within an hour."""
    tried_too_often = (
        select(Decline.user_id)
        .where(Decline.at > func.now() - timedelta(hours=1))
        .group_by(Decline.user_id)
        .having(func.count() > most_declines)
    )
    statement = (
        select(*_ATTEMPT)
        .join(Order, Order.id == PaymentAttempt.order_id)
        .join(Payment, Payment.id == PaymentAttempt.payment_id)
        .where(
            PaymentAttempt.closed_at.is_(None),
            Payment.status != "processing",
            or_(Order.status != "pending", Order.user_id.in_(tried_too_often)),
        )
        .limit(limit)
    )
    return await database.fetch_all(statement)


async def insert_attempt(
    db: AsyncSession, *, attempt_id: UUID, order: AnyRow, kind: str, parameters: Mapping[str, Any]
) -> AnyRow:
    """Store an attempt of an order, which is locked, with its payment, which from now on follows it."""
    fresh = {
        "status": "requires_payment_method",
        "next_action_type": None,
        "last_error": None,
        "stripe_payment_intent_id": None,
    }
    payment = upsert(Payment).values(
        id=new_id(), order_id=order.id, amount=order.total_amount, currency=order.currency
    )
    statement = payment.on_conflict_do_update(index_elements=[Payment.order_id], set_=fresh)
    payment_id = (await db.execute(statement.returning(Payment.id))).scalar_one()
    attempt = insert(PaymentAttempt).values(
        id=attempt_id, order_id=order.id, payment_id=payment_id, kind=kind, parameters=dict(parameters)
    )
    return (await db.execute(attempt.returning(*_ATTEMPT))).one()


async def mark_sent(db: AsyncSession, attempt_id: UUID) -> bool:
    """The attempt's creation is about to be sent; True when it may have been sent before."""
    statement = (
        update(PaymentAttempt)
        .where(PaymentAttempt.id == attempt_id)
        .values(first_sent_at=func.coalesce(PaymentAttempt.first_sent_at, func.now()))
        .returning((PaymentAttempt.first_sent_at < func.now()).label("was_sent"))
    )
    was_sent: bool = (await db.execute(statement)).scalar_one()
    return was_sent


async def store_made(db: AsyncSession, attempt_id: UUID, made: Mapping[str, Any]) -> bool:
    """Store what Stripe made for an attempt; the same again changes nothing. False when the attempt is closed."""
    is_intent = made["object"] == "payment_intent"
    values = {
        PaymentAttempt.stripe_id: made["id"],
        PaymentAttempt.client_secret: made.get("client_secret"),
        PaymentAttempt.url: made.get("url"),
        PaymentAttempt.stripe_payment_intent_id: made["id"] if is_intent else made.get("payment_intent"),
    }
    # An event may have told of it before: then some are known.
    statement = (
        update(PaymentAttempt)
        .where(PaymentAttempt.id == attempt_id)
        .values({column: func.coalesce(column, value) for column, value in values.items()})
        .returning(PaymentAttempt.payment_id, PaymentAttempt.closed_at.is_(None).label("is_open"))
    )
    stored = (await db.execute(statement)).one()
    if is_intent and stored.is_open:
        pointed = update(Payment).where(
            Payment.id == stored.payment_id, Payment.stripe_payment_intent_id.is_(None)
        )
        await db.execute(pointed.values(stripe_payment_intent_id=made["id"]))
    is_open: bool = stored.is_open
    return is_open


async def close_attempt(db: AsyncSession, attempt_id: UUID, outcome: str) -> bool:
    """Close an attempt that Stripe has not made; False when it has, as is known by now."""
    statement = update(PaymentAttempt).where(
        PaymentAttempt.id == attempt_id,
        PaymentAttempt.closed_at.is_(None),
        PaymentAttempt.stripe_id.is_(None),
    )
    closed = statement.values(closed_at=func.now(), outcome=outcome).returning(PaymentAttempt.id)
    return (await db.execute(closed)).one_or_none() is not None


async def find_items(db: AsyncSession, order_id: UUID) -> list[AnyRow]:
    """The lines of an order, as Checkout shows them."""
    statement = select(OrderItem.product_name, OrderItem.unit_price, OrderItem.quantity)
    rows = await db.execute(statement.where(OrderItem.order_id == order_id).order_by(OrderItem.id))
    return list(rows.all())


async def find_payment(database: Database, order_id: UUID, *, owner: UUID | None) -> AnyRow | None:
    """The payment of an order, with the client secret of what can be paid now; of `owner` only unless that is None."""
    statement = (
        select(
            Order.user_id,
            Payment.id,
            Payment.order_id,
            Payment.status,
            Payment.amount,
            Payment.currency,
            Payment.stripe_payment_intent_id,
            Payment.next_action_type,
            Payment.last_error,
            PaymentAttempt.client_secret,
        )
        .select_from(Order)
        .outerjoin(Payment, Payment.order_id == Order.id)
        .outerjoin(
            PaymentAttempt,
            (PaymentAttempt.order_id == Order.id) & PaymentAttempt.closed_at.is_(None),
        )
        .where(Order.id == order_id)
    )
    return await database.fetch_one(statement if owner is None else statement.where(Order.user_id == owner))


async def count_abuse(db: AsyncSession, user_id: UUID) -> AnyRow:
    """Declines of a user within an hour, the seconds until the oldest no longer counts, and open unpaid orders for which a
    payment was begun."""
    recent = (Decline.user_id == user_id) & (Decline.at > func.now() - timedelta(hours=1))
    oldest = func.extract("epoch", func.min(Decline.at) + timedelta(hours=1) - func.now())
    open_orders = (
        select(func.count())
        .select_from(Order)
        .where(Order.user_id == user_id, Order.status == "pending")
        .scalar_subquery()
    )
    statement = select(
        func.count().label("declines"), oldest.label("seconds"), open_orders.label("open_orders")
    ).select_from(Decline)
    return (await db.execute(statement.where(recent))).one()


async def find_or_insert_customer(
    db: AsyncSession, user_id: UUID, parameters_of: Callable[[UUID, AnyRow], dict[str, Any]]
) -> AnyRow:
    """The user's live customer; a new row with the user's address and name of now if there is none."""
    live = select(
        StripeCustomer.id, StripeCustomer.parameters, StripeCustomer.stripe_id, StripeCustomer.created_at
    ).where(StripeCustomer.user_id == user_id, StripeCustomer.gone_at.is_(None))
    found = (await db.execute(live)).one_or_none()
    if found is not None:
        return found
    user = (await db.execute(select(User.id, User.email, User.name).where(User.id == user_id))).one()
    customer_id = new_id()
    row = {"id": customer_id, "user_id": user_id, "parameters": parameters_of(customer_id, user)}
    await db.execute(upsert(StripeCustomer).values(row).on_conflict_do_nothing())
    return (await db.execute(live)).one()


async def store_customer(db: AsyncSession, customer_id: UUID, user_id: UUID, stripe_id: str) -> None:
    """Store the id that Stripe gave a customer."""
    statement = update(StripeCustomer).where(
        StripeCustomer.id == customer_id, StripeCustomer.stripe_id.is_(None)
    )
    await db.execute(statement.values(stripe_id=stripe_id))
    await db.execute(update(User).where(User.id == user_id).values(stripe_customer_id=stripe_id))


async def forget_customer(db: AsyncSession, customer_id: UUID) -> None:
    """A customer is gone at Stripe."""
    statement = update(StripeCustomer).where(
        StripeCustomer.id == customer_id, StripeCustomer.gone_at.is_(None)
    )
    await db.execute(statement.values(gone_at=func.now()))


async def find_customer_id(db: AsyncSession, stripe_id: str) -> UUID | None:
    """Our id of a customer at Stripe."""
    statement = select(StripeCustomer.id).where(StripeCustomer.stripe_id == stripe_id)
    return (await db.execute(statement)).scalar_one_or_none()


async def erase_user(db: AsyncSession, user_id: UUID) -> bool:
    """Erase a user's address and name, wherever they are; False when there is no such user. Tokens of before bring nothing
    back."""
    erased = (
        update(User)
        .where(User.id == user_id)
        .values(
            email=None, name=None, stripe_customer_id=None, token_expires_at=func.now() + timedelta(days=1)
        )
        .returning(User.id)
    )
    if (await db.execute(erased)).one_or_none() is None:
        return False
    await db.execute(
        update(StripeCustomer)
        .where(StripeCustomer.user_id == user_id)
        .values(parameters=StripeCustomer.parameters.op("-")(literal(["email", "name"], ARRAY(Text))))
    )
    return True


async def find_customers(db: AsyncSession, user_id: UUID) -> Sequence[AnyRow]:
    """The user's customers that are not gone."""
    statement = select(StripeCustomer.id, StripeCustomer.stripe_id)
    live = statement.where(StripeCustomer.user_id == user_id, StripeCustomer.gone_at.is_(None))
    return (await db.execute(live)).all()
