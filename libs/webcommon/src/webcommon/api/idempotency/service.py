"""Doing something once for a key, however often and however much at once it is asked for.

Three steps: a short transaction claims the key under a lease, the work runs, a short transaction stores the answer. A
refusal frees the key. After any other error, or a crash, the next same request takes over with the same `request_id`.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.errors import DatabaseError
from dbcommon.models import new_id
from webcommon.api.idempotency import repository
from webcommon.api.idempotency.errors import IdempotencyKeyBusy, IdempotencyKeyReused
from webcommon.api.problems import Problem

KEPT_FOR = timedelta(hours=24)
"""How long an answer is given again."""

LEASE = timedelta(seconds=60)
"""How long a run has its key to itself. The work has to take less; after a crash the key is busy until the lease ends."""

GIVE_BACK_SECONDS = 0.5
"""How long the end of a lease is tried to be told to a database that has just refused something."""

DELETED_AT_ONCE = 1_000


@dataclass(frozen=True, kw_only=True)
class IdempotentRequest:
    """A request under a key. A key is its user's and its operation's own; `fingerprint` tells two requests apart."""

    user_id: UUID
    operation: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer as it was sent; `replayed` when it was sent before."""

    status_code: int
    body: str
    location: str | None = None
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of the work. `request_id` is the same for each run of one request, so it can be the key of a call to another
    system. `taken_over`: an earlier run ended without an answer, and its effect may be there."""

    request: IdempotentRequest
    request_id: UUID
    token: UUID

    @property
    def taken_over(self) -> bool:
        """Whether another run began before this one."""
        return self.request_id != self.token

    @property
    def columns(self) -> dict[str, Any]:
        """What names this run in the table."""
        return _key_of(self.request) | {"token": self.token}


def fingerprint_of(body: BaseModel, *, target: str = "") -> bytes:
    """The same for the same content, however its JSON is spaced and ordered. `target` is what a path names beside it."""
    content = f"{len(target)}:{target}{body.model_dump_json()}"
    return hashlib.sha256(content.encode()).digest()


async def run_idempotent(
    database: Database,
    request: IdempotentRequest,
    *,
    work: Callable[[Run], Awaitable[Answer]],
    lease: timedelta = LEASE,
) -> Answer:
    """The answer of `work`, which runs outside of any transaction, or the answer of an earlier run.

    `work` may call other systems, and must be able to go on where an earlier run of the same `request_id` stopped.
    Raises `IdempotencyKeyBusy` while another run has the key or when one took over, `IdempotencyKeyReused` when the key
    came with something else, and what `work` raises.
    """
    run = await _begin(database, request, lease=lease)
    if isinstance(run, Answer):
        return run
    async with _given_back(database, run):
        answer = await work(run)
        async with database.transaction() as db:
            await _finish(db, run, answer)
    return answer


async def run_idempotent_in_transaction(
    database: Database,
    request: IdempotentRequest,
    *,
    work: Callable[[AsyncSession], Awaitable[Answer]],
    lease: timedelta = LEASE,
) -> Answer:
    """As `run_idempotent`, for an effect in the same database: `work` and the storing of its answer are one transaction,
    so that there is never one without the other, and a run that was overtaken has no effect."""
    run = await _begin(database, request, lease=lease)
    if isinstance(run, Answer):
        return run
    async with _given_back(database, run), database.transaction() as db:
        answer = await work(db)
        await _finish(db, run, answer)
    return answer


async def delete_expired(database: Database) -> int:
    """Delete up to `DELETED_AT_ONCE` answers that are no longer given; how many there were."""
    async with database.transaction() as db:
        return await repository.delete_expired(db, limit=DELETED_AT_ONCE)


async def _begin(database: Database, request: IdempotentRequest, *, lease: timedelta) -> Run | Answer:
    token = new_id()
    key = _key_of(request)
    async with database.transaction() as db:
        request_id = await repository.claim(
            db, token=token, lease=lease, kept_for=KEPT_FOR, fingerprint=request.fingerprint, **key
        )
        row = await repository.find(db, **key) if request_id is None else None
    if request_id is not None:
        return Run(request=request, request_id=request_id, token=token)
    if row is None:  # freed between the two statements
        raise IdempotencyKeyBusy
    if row.fingerprint != request.fingerprint:
        raise IdempotencyKeyReused
    if row.status_code is None:
        raise IdempotencyKeyBusy
    return Answer(status_code=row.status_code, body=row.body, location=row.location, replayed=True)


async def _finish(db: AsyncSession, run: Run, answer: Answer) -> None:
    stored = await repository.finish(
        db,
        kept_for=KEPT_FOR,
        status_code=answer.status_code,
        location=answer.location,
        body=answer.body,
        **run.columns,
    )
    if not stored:
        raise IdempotencyKeyBusy


@contextlib.asynccontextmanager
async def _given_back(database: Database, run: Run) -> AsyncIterator[None]:
    """Free the key after a refusal; end its lease after any other error, when the effect may be there."""
    try:
        yield
    except BaseException as error:
        refused = isinstance(error, Problem) and error.status < 500
        give_back = repository.free if refused else repository.end_lease
        # Without the database the lease ends by itself; the error is what the caller has to hear of, and soon: it has
        # waited for the database already.
        seconds = GIVE_BACK_SECONDS if isinstance(error, DatabaseError) else None
        with contextlib.suppress(DatabaseError, TimeoutError):
            async with asyncio.timeout(seconds), database.transaction() as db:
                await give_back(db, **run.columns)
        raise


def _key_of(request: IdempotentRequest) -> dict[str, Any]:
    return {"user_id": request.user_id, "operation": request.operation, "key": request.key}
