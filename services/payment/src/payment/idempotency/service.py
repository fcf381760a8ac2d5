"""Doing something once for a key, however often and however much at once it is asked for.

The answer is stored in the transaction of the effect, so that there is never one without the other: after a crash either
both are there or the request can simply be sent again. A refusal rolls both back and is not kept.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from payment.errors import IdempotencyKeyBusy, IdempotencyKeyReused
from payment.idempotency import repository
from payment.locks import try_lock

KEPT_FOR = timedelta(hours=24)
"""How long an answer is given again."""

DELETED_AT_ONCE = 1_000


@dataclass(frozen=True, kw_only=True)
class OnceRequest:
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


def fingerprint_of(body: BaseModel, *, target: str = "") -> bytes:
    """The same for the same content, however its JSON is spaced and ordered. `target` is what a path names beside it."""
    content = f"{len(target)}:{target}{body.model_dump_json()}"
    return hashlib.sha256(content.encode()).digest()


async def answer_once(
    database: Database, request: OnceRequest, *, work: Callable[[AsyncSession], Awaitable[Answer]]
) -> Answer:
    """The answer of `work`, which runs in a transaction with the storing of it, or the answer of an earlier run.

    Raises `IdempotencyKeyBusy` while another run has the key, `IdempotencyKeyReused` when the key came with something
    else, and what `work` raises.
    """
    async with database.transaction() as session:
        # The lock goes with the transaction, whatever becomes of it: a dead process leaves no key in use behind.
        if not await try_lock(session, "idempotency", str(request.user_id), request.operation, request.key):
            raise IdempotencyKeyBusy
        earlier = await _find_earlier(session, request)
        if earlier is not None:
            return earlier
        answer = await work(session)
        await _keep(session, request, answer)
    return answer


async def _find_earlier(session: AsyncSession, request: OnceRequest) -> Answer | None:
    row = await repository.find_answer(
        session, user_id=request.user_id, operation=request.operation, key=request.key
    )
    if row is None:
        return None
    if row.fingerprint != request.fingerprint:
        raise IdempotencyKeyReused
    return Answer(status_code=row.status_code, body=row.body, location=row.location, replayed=True)


async def _keep(session: AsyncSession, request: OnceRequest, answer: Answer) -> None:
    kept = await repository.keep_answer(
        session,
        kept_for=KEPT_FOR,
        user_id=request.user_id,
        operation=request.operation,
        key=request.key,
        fingerprint=request.fingerprint,
        status_code=answer.status_code,
        location=answer.location,
        body=answer.body,
    )
    if not kept:
        raise IdempotencyKeyBusy


async def delete_expired(database: Database) -> int:
    """Delete up to `DELETED_AT_ONCE` answers that are no longer given; how many there were."""
    async with database.transaction() as session:
        return await repository.delete_expired(session, limit=DELETED_AT_ONCE)
