"""The statements that find what was given back of a charge, and where it came from."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from payment.models import Payment, Refund


async def sum_refunds(db: AsyncSession, order_id: UUID) -> dict[str, Decimal]:
    """What refunds have given back, or hold, of each charge of an order."""
    statement = select(Refund.stripe_charge_id, func.sum(Refund.amount).label("total")).where(
        Refund.order_id == order_id, Refund.status.not_in(("failed", "canceled"))
    )
    rows = await db.execute(statement.group_by(Refund.stripe_charge_id))
    return {row.stripe_charge_id: row.total for row in rows}


async def find_origin(db: AsyncSession, order_id: UUID, charge: str) -> tuple[UUID, str] | None:
    """The payment and the PaymentIntent of a charge: those of the payment that shows it, or of an earlier refund of it."""
    of_payment = select(Payment.id, Payment.stripe_payment_intent_id).where(
        Payment.order_id == order_id, Payment.stripe_charge_id == charge
    )
    of_refund = select(Refund.payment_id, Refund.stripe_payment_intent_id).where(
        Refund.order_id == order_id, Refund.stripe_charge_id == charge
    )
    for statement in (of_payment, of_refund):
        row = (await db.execute(statement.limit(1))).one_or_none()
        if row is not None and row[1] is not None:
            return row[0], row[1]
    return None
