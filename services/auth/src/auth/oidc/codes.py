"""Authorization codes: issued when a session begins, exchanged once for its tokens."""

import hmac
import logging
import re
import secrets
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.audit.repository import record_event
from auth.oidc import repository
from auth.oidc.authorization_requests import AuthorizationRequest
from auth.oidc.errors import OAuthRefusal
from auth.oidc.repository import NewCode
from auth.sessions.access_tokens import Subject
from auth.sessions.refresh_tokens import RefreshTokenCodec
from auth.sessions.repository import end
from auth.sessions.service import describe_subject
from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from webcommon.signing import hash_base64url, hash_token

logger = logging.getLogger(__name__)

_CODE_BYTES = 32

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, kw_only=True)
class CodeExchange:
    """A client's request to exchange a code."""

    code: str = field(repr=False)
    client_id: str
    redirect_uri: str
    code_verifier: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ExchangedCode:
    """The session of an exchanged code."""

    subject: Subject
    refresh_token: str = field(repr=False)
    nonce: str | None


async def store_code(db: AsyncSession, session_id: UUID, *, request: AuthorizationRequest) -> str:
    """Make and store the code of a session that begins in this transaction."""
    code = secrets.token_urlsafe(_CODE_BYTES)
    new = NewCode(
        code_hash=hash_token(code),
        session_id=session_id,
        redirect_uri=request.address.redirect_uri,
        code_challenge=request.code_challenge,
        nonce=request.nonce,
    )
    await repository.insert_code(db, new)
    return code


async def exchange_code(
    exchange: CodeExchange, *, database: Database, codec: RefreshTokenCodec
) -> ExchangedCode:
    """Exchange a code for its session. Raises `OAuthRefusal`.

    A valid exchange of a used code ends its session (RFC 6749, section 4.1.2). An exchange without the client's verifier
    changes nothing, so an eavesdropper cannot void the code.
    """
    # Committed before a refusal is raised, so that the end of the session stays.
    async with database.transaction() as db:
        found = await repository.find_code(db, hash_token(exchange.code))
        if found is None or not _is_bound(found, exchange):
            raise _refused()
        used_now = found.in_time and await repository.use_code(db, hash_token(exchange.code))
        if not used_now and (found.used_at is not None or found.in_time):
            await _end_session(db, found)
    if not used_now or not found.lives:
        raise _refused()
    return ExchangedCode(
        subject=describe_subject(found._mapping),  # noqa: SLF001 - SQLAlchemy's public name of it
        refresh_token=codec.issue(found.id, counter=0, hmac_key=found.refresh_token_hmac_key),
        nonce=found.nonce,
    )


async def end_unused(database: Database) -> int:
    """End some sessions whose codes expired unused; gives the number of deleted codes."""
    async with database.transaction() as db:
        unused = await repository.delete_unused(db)
        for row in unused:
            if await end(db, row.id, reason="ended"):
                await record_event(db, "session_ended", user_id=row.user_id, session_id=row.id)
    return len(unused)


def _is_bound(found: AnyRow, exchange: CodeExchange) -> bool:
    if found.client_id != exchange.client_id or found.redirect_uri != exchange.redirect_uri:
        return False
    if not _VERIFIER.fullmatch(exchange.code_verifier):
        return False
    challenge = hash_base64url(exchange.code_verifier.encode("ascii"))
    return hmac.compare_digest(challenge, found.code_challenge)


async def _end_session(db: AsyncSession, found: AnyRow) -> None:
    if await end(db, found.id, reason="reuse"):
        await record_event(db, "session_ended", user_id=found.user_id, session_id=found.id)
        logger.warning("session %s ended: its authorization code was exchanged twice", found.id)


def _refused() -> OAuthRefusal:
    return OAuthRefusal(
        "invalid_grant", "the code is wrong, was used, has expired, or belongs to another request"
    )
