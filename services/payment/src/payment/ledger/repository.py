"""The statements on ledger entries and receipt numbers."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from payment.ledger.books import Books, Movement
from payment.models import Account, LedgerEntry, ReceiptSeries


async def find_books(db: AsyncSession, order_id: UUID) -> Books:
    """All movements of an order. Lock the order first: they decide what may be booked."""
    statement = select(
        LedgerEntry.movement, LedgerEntry.currency, LedgerEntry.account, LedgerEntry.amount
    ).where(LedgerEntry.order_id == order_id)
    amounts: dict[tuple[str, str], dict[Account, Decimal]] = defaultdict(dict)
    for name, currency, account, amount in (await db.execute(statement)).all():
        amounts[name, currency][account] = amount
    return Books.of(
        Movement(name=name, currency=currency, amounts=each) for (name, currency), each in amounts.items()
    )


async def insert_movements(db: AsyncSession, order_id: UUID, movements: Sequence[Movement]) -> None:
    """Store movements of an order, whose figures follow by a trigger. Raises an IntegrityError for one that is stored."""
    rows = [
        {
            "movement": movement.name,
            "order_id": order_id,
            "account": account,
            "amount": amount,
            "currency": movement.currency,
        }
        for movement in movements
        for account, amount in movement.amounts.items()
    ]
    if rows:
        await db.execute(insert(LedgerEntry), rows)


async def next_receipt_number(db: AsyncSession) -> str:
    """The next number of the year's series, such as `2026-000041`. Others wait for this transaction to end, and get the same
    number if it is rolled back: no number is left out."""
    year = func.extract("year", func.timezone("utc", func.now()))
    statement = (
        upsert(ReceiptSeries)
        .values(year=year, last_number=1)
        .on_conflict_do_update(
            index_elements=[ReceiptSeries.year], set_={"last_number": ReceiptSeries.last_number + 1}
        )
        .returning(ReceiptSeries.year, ReceiptSeries.last_number)
    )
    row = (await db.execute(statement)).one()
    return f"{row.year}-{row.last_number:06}"
