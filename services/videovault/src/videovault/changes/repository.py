"""The statements on the log of changes. The log itself is written by triggers."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from videovault.models import Operation


@dataclass(frozen=True, kw_only=True)
class By:
    """Who makes the changes of a transaction.

    `actor`: the id of a user, or the name of a part of the service and what it works on. `operation_id`: the operation
    that they belong to. `at`: the hybrid time of deletions and removals, where it is not the present.
    """

    actor: str
    operation_id: UUID | None = None
    at: str | None = None


async def begin(db: AsyncSession, by: By) -> None:
    """Say who makes the changes of the rest of this transaction. Without it the log names `sql`."""
    said = {
        "videovault.actor": by.actor,
        "videovault.operation_id": "" if by.operation_id is None else str(by.operation_id),
        "videovault.at": by.at or "",
    }
    is_local = True
    await db.execute(select(*(func.set_config(name, value, is_local) for name, value in said.items())))


async def begin_operation(db: AsyncSession, actor: str) -> UUID:
    """Begin an operation, to which the changes of the rest of this transaction belong; returns its id."""
    inserted = insert(Operation).values(actor=actor).returning(Operation.id)
    operation_id: UUID = (await db.execute(inserted)).scalar_one()
    await begin(db, By(actor=actor, operation_id=operation_id))
    return operation_id
