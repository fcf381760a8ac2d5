"""The ledger: every movement of money as a balanced pair of entries."""

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Text, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import one_of
from payment.models.base import CURRENCY_SHAPE, Model

Account = Literal[
    "stripe", "sales", "refunds_pending", "refunds", "disputes", "chargebacks", "fees", "unallocated"
]
"""`stripe` is our balance there. `unallocated` is money that belongs to no order: of a wrong amount, too late, or twice."""


class LedgerEntry(Model):
    """One side of a movement. Append-only: the database refuses UPDATE and DELETE, and at commit a movement that is not
    balanced.

    `movement` names it, such as `charge ch_…`: it is booked once. A trigger keeps the figures of the order equal to the
    sums of its entries.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        CheckConstraint(one_of("account", Account), name="account"),
        CheckConstraint("amount <> 0", name="amount"),
        CheckConstraint(CURRENCY_SHAPE, name="currency"),
        UniqueConstraint("movement", "account", name="uq_ledger_entries_movement_account"),
        Index("ix_ledger_entries_order_id", "order_id"),
        {"info": {"append_only": True}},
    )

    id: Mapped[int] = mapped_column(BigInteger(), Identity(), primary_key=True)
    movement: Mapped[str]
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id", ondelete="RESTRICT"))
    account: Mapped[Account] = mapped_column(Text())
    amount: Mapped[Decimal]
    currency: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class ReceiptSeries(Model):
    """The last receipt number of a year; its row is locked by whoever takes the next, so that no number is left out."""

    __tablename__ = "receipt_series"

    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_number: Mapped[int]
