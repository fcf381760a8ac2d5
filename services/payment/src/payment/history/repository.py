"""The statements on the history of orders."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from payment.models import Cause, PaymentEvent, Subject


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change of a status; see `PaymentEvent`."""

    subject: Subject
    subject_id: str
    from_status: str | None
    to_status: str
    amount: Decimal | None = None
    stripe_id: str | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class By:
    """What caused a change, and which user, if one did."""

    cause: Cause
    actor_id: UUID | None = None


async def record(db: AsyncSession, order_id: UUID, changes: Sequence[Change], by: By) -> None:
    """Add changes to the history of an order, in this order."""
    if changes:
        common = {"order_id": order_id} | asdict(by)
        await db.execute(insert(PaymentEvent), [common | asdict(change) for change in changes])
