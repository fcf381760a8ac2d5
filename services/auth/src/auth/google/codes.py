"""One-time codes that a sign-in gives to the app, since no token belongs in a URL."""

import logging
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.audit.repository import record_event
from auth.google import repository
from auth.google.errors import InvalidCode
from auth.google.repository import CodeKey
from auth.schemas import UserAnswer
from auth.second_factors.schemas import SecondFactorAsked
from auth.sessions.access_tokens import LIFETIME_SECONDS, Subject
from auth.sessions.beginning import Tokens
from auth.sessions.repository import end, lock_session
from auth.sessions.schemas import LoginAnswer
from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from webcommon.encryption import SecretVault
from webcommon.keys import derive_key
from webcommon.signing import hash_base64url, hash_token

logger = logging.getLogger(__name__)

_SEALED = "token of a second factor"


async def store_for_session(
    db: AsyncSession, code: str, *, code_challenge: str | None, session_id: UUID
) -> None:
    """Store the code of a new session. Ending the session voids the code."""
    key = CodeKey(code_hash=hash_token(code), code_challenge=code_challenge)
    await repository.insert_code(db, key, session_id=session_id)


async def store_for_factor(db: AsyncSession, code: str, *, code_challenge: str | None, token: str) -> None:
    """Store the code of a sign-in that waits for its second factor. `token` is its MFA token."""
    key = CodeKey(code_hash=hash_token(code), code_challenge=code_challenge)
    sealed = _vault_of(code).encrypt(token.encode(), context=_SEALED)
    await repository.insert_code(db, key, sealed_factor_token=sealed)


async def exchange(
    code: str, verifier: str | None, *, database: Database, tokens: Tokens
) -> LoginAnswer | SecondFactorAsked:
    """The tokens of the code's session, or the MFA token of a sign-in that waits for its second factor.

    Raises `InvalidCode`. A code that is exchanged twice ends its session (RFC 6749, section 4.1.2).
    """
    await tokens.access.ensure_ready()
    key = CodeKey(
        code_hash=hash_token(code),
        code_challenge=None if verifier is None else hash_base64url(verifier.encode()),
    )
    state = None
    # Committed before a refusal is raised, so that the end of a session stays.
    async with database.transaction() as db:
        found = await repository.use_code(db, key)
        if found is None:
            await _end_reused(db, key)
        elif found.session_id is not None:
            state = await lock_session(db, found.session_id)
    if found is not None and found.sealed_factor_token is not None:
        token = _vault_of(code).decrypt(found.sealed_factor_token, context=_SEALED)
        return SecondFactorAsked(mfa_token=token.decode())
    if state is None or not state.lives or state.refresh_token_counter != 0:
        raise InvalidCode
    return await _answer(state, tokens=tokens)


def _vault_of(code: str) -> SecretVault:
    # The database has only the code's hash, from which this key cannot be made.
    return SecretVault(derive_key(code, _SEALED))


async def _end_reused(db: AsyncSession, key: CodeKey) -> None:
    session_id = await repository.find_used_code(db, key)
    state = None if session_id is None else await lock_session(db, session_id)
    if state is not None and await end(db, state.id, reason="reuse"):
        await record_event(db, "session_ended", user_id=state.user_id, session_id=state.id)
        logger.warning("session %s ended: its code was exchanged twice", state.id)


async def _answer(state: AnyRow, *, tokens: Tokens) -> LoginAnswer:
    subject = Subject(
        user_id=state.user_id,
        session_id=state.id,
        client_id=state.client_id,
        scope=state.scope,
        auth_time=state.auth_time,
        email=state.email,
        email_verified=state.email_verified,
        username=state.username,
        roles=state.roles,
    )
    account = {name: getattr(state, name) for name in UserAnswer.model_fields if name != "id"}
    return LoginAnswer(
        access_token=await tokens.access.sign(subject),
        expires_in=LIFETIME_SECONDS,
        refresh_token=tokens.refresh.issue(state.id, counter=0, hmac_key=state.refresh_token_hmac_key),
        user=UserAnswer(id=state.user_id, **account),
    )
