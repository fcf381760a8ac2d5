"""A queue in a service's own table: each row is a job that one process at a time works on.

A worker claims a job for the length of a lease, works on it without an open transaction, and then finishes, retries or
gives up the job. When a process dies, others take its jobs once the lease is over, so work happens at least once. A claim
is identified by the job's id and its number of attempts: a worker that lost the lease can no longer change the job.
"""

import asyncio
import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Integer,
    Row,
    and_,
    func,
    literal_column,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Mapped, aliased, mapped_column

from dbcommon.listen import Listener, notify

Job: TypeAlias = Row[*tuple[Any, ...]]
"""The claimed columns of a row."""

Column: TypeAlias = InstrumentedAttribute[Any]


_ZERO = literal_column("0", Integer())
"""Not a parameter, with which a plan for any value could not use an index with a condition."""


class JobColumns:
    """The columns of a queue, for the model of a table. The table needs an index on `due_at` where `done_at IS NULL AND
    failed_at IS NULL`; a queue with a key also needs one on key and position, with this condition, and the condition of the
    first one then ends in `AND attempts >= 0`. That always holds, and only claims ask for it: without it the planner, as
    long as its statistics know of no backlog, reads the whole first index to find out who is first of a key."""

    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    done_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]


def retry_after(attempts: int, *, first: timedelta, longest: timedelta) -> timedelta:
    """The pause after `attempts` attempts: `first`, then doubled each time, up to `longest`."""
    doublings = min(attempts - 1, 30)  # more would overflow
    return timedelta(seconds=min(first.total_seconds() * 2**doublings, longest.total_seconds()))


class Queue:
    """The jobs of a model's table; its columns are those of `JobColumns` unless others are named.

    With `key`, the jobs of one key run one after the other, in the order of `position`: a job that waits for a retry
    holds up those behind it, one that was given up does not. A job whose key is null waits for none. Let an identity
    column give the position, and lock the row that the key names before adding a job, so that no later job becomes
    visible first.
    """

    def __init__(
        self,
        model: type[DeclarativeBase],
        *,
        due_at: str = "due_at",
        done_at: str = "done_at",
        failed_at: str = "failed_at",
        key: str | None = None,
        position: str = "id",
    ) -> None:
        self._model = model
        self.channel = f"jobs of {model.__tablename__}"
        self._due_at, self._done_at, self._failed_at = due_at, done_at, failed_at
        self._key, self._position = key, position
        self._id, self._attempts = _column(model, "id"), _column(model, "attempts")
        self.pending = self._is_pending(model)

    def _is_pending(self, model: Any) -> ColumnElement[bool]:
        return and_(_column(model, self._done_at).is_(None), _column(model, self._failed_at).is_(None))

    async def announce(self, db: AsyncSession) -> None:
        """Notify the workers of all processes, when the transaction commits, that it added a job. Without the
        notification they find the job at their next regular look."""
        await notify(db, self.channel)

    @contextlib.contextmanager
    def waking(self, listener: Listener, wake: asyncio.Event) -> Iterator[None]:
        """Set `wake`, which `run_every` takes, whenever jobs are announced while the block runs."""
        with listener.subscribed(self.channel, lambda _payload: wake.set()):
            yield

    async def claim(
        self,
        db: AsyncSession,
        *columns: Column,
        most: int,
        lease: timedelta,
        where: ColumnElement[bool] = true(),  # noqa: B008 - it never changes
    ) -> Sequence[Job]:
        """Claim up to `most` due jobs, of those `where` only; gives `columns` of each, its `id`, and its `attempts`, this
        one included.

        No other process sees them for the length of the lease, which has to be longer than the work.
        """
        due_at = _column(self._model, self._due_at)
        # A CTE that locks runs once, so at most `most` jobs are claimed.
        due = (
            select(self._id)
            .where(
                self.pending, self._attempts >= _ZERO, due_at <= func.now(), where, *self._is_first_of_key()
            )
            .order_by(due_at)
            .limit(most)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        values = {"attempts": self._attempts + 1, self._due_at: func.now() + lease}
        statement = update(self._model).where(self._id == due.c.id).values(values)
        return (await db.execute(statement.returning(self._id, self._attempts, *columns))).all()

    def _is_first_of_key(self) -> Iterator[ColumnElement[bool]]:
        if self._key is None:
            return
        other = aliased(self._model)
        key, position = _column(other, self._key), _column(other, self._position)
        first = select(_column(other, "id")).where(
            key == _column(self._model, self._key), self._is_pending(other)
        )
        # Not `NOT EXISTS`: of a join the planner may read a whole index for each job.
        is_first = self._id == first.order_by(position).limit(1).correlate(self._model).scalar_subquery()
        yield or_(_column(self._model, self._key).is_(None), is_first)

    async def finish(self, db: AsyncSession, job: Job, **values: Any) -> bool:
        """Mark a job as done, and set further `values` of its row. False when the lease was lost and another process has
        the job. Call it in the transaction that holds the job's effects, and roll that back on False."""
        return await self._settle(db, job, {self._done_at: func.now(), **values})

    async def retry(self, db: AsyncSession, job: Job, *, pause: timedelta, **values: Any) -> bool:
        """Make a job due again after the pause, and set further `values`. False when the lease was lost."""
        return await self._settle(db, job, {self._due_at: func.now() + pause, **values})

    async def give_up(self, db: AsyncSession, job: Job, **values: Any) -> bool:
        """Mark a job as failed for good (a dead letter), and set further `values`. False when the lease was lost."""
        return await self._settle(db, job, {self._failed_at: func.now(), **values})

    async def _settle(self, db: AsyncSession, job: Job, values: Mapping[str, Any]) -> bool:
        # Pending in other words than those of the indexes, of which the planner might read a whole one for the one row.
        ended = func.coalesce(_column(self._model, self._done_at), _column(self._model, self._failed_at))
        statement = update(self._model).where(
            self._id == job.id, self._attempts == job.attempts, ended.is_(None)
        )
        return (await db.execute(statement.values(values).returning(self._id))).one_or_none() is not None

    async def list_failed(self, db: AsyncSession, *columns: Column, most: int) -> Sequence[Job]:
        """Dead letters, the newest first: `columns` of each, its `id` and `attempts`."""
        failed_at = _column(self._model, self._failed_at)
        statement = select(self._id, self._attempts, *columns).where(failed_at.is_not(None))
        return (await db.execute(statement.order_by(failed_at.desc(), self._id).limit(most))).all()

    async def replay(self, db: AsyncSession, ids: Collection[Any]) -> int:
        """Make dead letters due at once, with no attempts; gives how many of `ids` were dead letters."""
        values = {self._failed_at: None, self._due_at: func.now(), "attempts": 0}
        failed = and_(self._id.in_(ids), _column(self._model, self._failed_at).is_not(None))
        statement = update(self._model).where(failed).values(values).returning(self._id)
        return len((await db.execute(statement)).all())


def _column(model: Any, name: str) -> Column:
    column: Column = getattr(model, name)
    return column
