"""Run a request once for its idempotency key, however often it is sent, and however many are sent at once.

Three steps: a short transaction claims the key under a lease, the work runs, a short transaction stores the answer. A
refusal frees the key. After any other error, or a crash, the next equal request takes over with the same `request_id`.
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

REPLAY_LIFETIME = timedelta(hours=24)
"""How long a stored answer is replayed."""

LEASE = timedelta(seconds=20)
"""How long a run holds its key: longer than a request takes, and after a crash the key is busy for so long. A run that takes
longer may be taken over, which costs it its answer and does no harm."""

RELEASE_SECONDS = 0.5
"""How long a run tries to end its lease after the database has failed."""

DELETED_AT_ONCE = 1_000


@dataclass(frozen=True, kw_only=True)
class IdempotentRequest:
    """A request under a key. Keys are separate for each user and operation; `fingerprint` tells two requests apart."""

    user_id: UUID
    operation: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer; `replayed` when it is a stored one."""

    status_code: int
    body: str
    location: str | None = None
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of the work. All runs of one request have the same `request_id`, so it can be the idempotency key of a call
    to another system."""

    request: IdempotentRequest
    request_id: UUID
    token: UUID

    @property
    def taken_over(self) -> bool:
        """Whether an earlier run ended without an answer; its effect may exist."""
        return self.request_id != self.token

    @property
    def columns(self) -> dict[str, Any]:
        """The columns that identify this run."""
        return _key_of(self.request) | {"token": self.token}


def fingerprint_of(body: BaseModel, *, target: str = "") -> bytes:
    """The hash of a body: the same whatever the spacing and order of its JSON. `target` is the resource that the path
    names."""
    content = f"{len(target)}:{target}{body.model_dump_json()}"
    return hashlib.sha256(content.encode()).digest()


async def run_idempotent(
    database: Database,
    request: IdempotentRequest,
    *,
    work: Callable[[Run], Awaitable[Answer]],
    lease: timedelta = LEASE,
) -> Answer:
    """The answer of `work`, or of an earlier run. `work` runs outside of any transaction.

    `work` may call other systems, and must be able to continue where an earlier run with the same `request_id` stopped.
    Raises `IdempotencyKeyBusy` when another run holds the key or has taken over, `IdempotencyKeyReused` when the key came
    with another request, and what `work` raises.
    """
    run = await _begin(database, request, lease=lease)
    if isinstance(run, Answer):
        return run
    async with _released(database, run):
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
    """As `run_idempotent`, for an effect in the same database: one transaction holds the work and the storing of its
    answer, so that neither exists without the other, and a run that was overtaken has no effect."""
    run = await _begin(database, request, lease=lease)
    if isinstance(run, Answer):
        return run
    async with _released(database, run), database.transaction() as db:
        answer = await work(db)
        await _finish(db, run, answer)
    return answer


async def delete_expired(database: Database) -> int:
    """Delete up to `DELETED_AT_ONCE` expired answers; gives how many."""
    async with database.transaction() as db:
        return await repository.delete_expired(db, limit=DELETED_AT_ONCE)


async def _begin(database: Database, request: IdempotentRequest, *, lease: timedelta) -> Run | Answer:
    token = new_id()
    key = _key_of(request)
    async with database.transaction() as db:
        request_id = await repository.claim(
            db, token=token, lease=lease, lifetime=REPLAY_LIFETIME, fingerprint=request.fingerprint, **key
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
        lifetime=REPLAY_LIFETIME,
        status_code=answer.status_code,
        location=answer.location,
        body=answer.body,
        **run.columns,
    )
    if not stored:
        raise IdempotencyKeyBusy


@contextlib.asynccontextmanager
async def _released(database: Database, run: Run) -> AsyncIterator[None]:
    """Free the key after a refusal; end its lease after any other error, when the effect may exist."""
    try:
        yield
    except BaseException as error:
        refused = isinstance(error, Problem) and error.status < 500
        release = repository.free if refused else repository.end_lease
        # Without the database the lease ends by itself. The caller has waited for the database already and should get the
        # error soon.
        seconds = RELEASE_SECONDS if isinstance(error, DatabaseError) else None
        with contextlib.suppress(DatabaseError, TimeoutError):
            async with asyncio.timeout(seconds), database.transaction() as db:
                await release(db, **run.columns)
        raise


def _key_of(request: IdempotentRequest) -> dict[str, Any]:
    return {"user_id": request.user_id, "operation": request.operation, "key": request.key}
