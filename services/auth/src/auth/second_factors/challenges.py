"""Login challenges: sign-ins whose first factor is verified, and which a code of the second one finishes."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.audit.repository import record_event, record_login_failure
from auth.mail.outbox import Outbox
from auth.models.sessions import AuthenticationMethod
from auth.second_factors import repository
from auth.second_factors.codes import SecondFactors, use_app_code, use_recovery_code
from auth.second_factors.errors import LoginExpired, SecondFactorFailed
from auth.sessions.beginning import BegunSession, begin_session
from auth.sessions.device import Device
from auth.sessions.refresh_tokens import RefreshTokenCodec
from auth.settings.clients import EVERY_SCOPE, FIRST_PARTY_CLIENT
from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from webcommon.accounts.throttling.guard import ClientInfo, Guard
from webcommon.signing import hash_token

PREFIX = "qma1_"
"""Names the version, and lets scanners for leaked secrets find a token."""

_TOKEN_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class OpenChallenge:
    """A stored login challenge that is still valid: its account, and the method of its first factor."""

    token_hash: str
    user_id: UUID
    amr: AuthenticationMethod
    device_binding: bytes = field(repr=False)


async def open_challenge(
    db: AsyncSession,
    user_id: UUID,
    *,
    amr: AuthenticationMethod,
    client_id: str = FIRST_PARTY_CLIENT,
    scope: str = EVERY_SCOPE,
    password_hash: str | None = None,
) -> str | None:
    """The token that finishes the sign-in; call it where `begin_session` raised `SecondFactorNeeded`.

    None if the account is deleted or disabled, or no longer has the verified password. Ending the account's sessions voids
    the token.
    """
    token = PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
    opened = await repository.insert_challenge(
        db,
        user_id,
        token_hash=hash_token(token),
        amr=amr,
        client_id=client_id,
        scope=scope,
        password_hash=password_hash,
    )
    return token if opened else None


@contextlib.asynccontextmanager
async def attempt_challenge(
    token: str, *, database: Database, guard: Guard, client: ClientInfo
) -> AsyncIterator[OpenChallenge]:
    """Reserve one attempt at the challenge of this token for the block, which counts as failed if the code is wrong.

    Raises `LoginExpired` for an invalid token, and `TooManyAttempts`.
    """
    row = await repository.find_challenge(database, hash_token(token))
    if row is None:
        raise LoginExpired
    attempt = await guard.limit_second_factor(
        row["user_id"], device_binding=row["device_binding"], client=client
    )
    try:
        yield OpenChallenge(**dict(row))
    except SecondFactorFailed:
        await attempt.fail()
        await record_login_failure(database, user_id=row["user_id"])
        raise
    except LoginExpired:
        await attempt.succeed()  # no code was checked
        raise
    await attempt.succeed()


async def finish_login(
    token: str,
    code: str,
    *,
    database: Database,
    guard: Guard,
    client: ClientInfo,
    factors: SecondFactors,
    outbox: Outbox,
    codec: RefreshTokenCodec,
    device: Device,
) -> BegunSession:
    """Begin a first-party session with a code. Raises what `attempt_challenge` and `finish_challenge` raise."""
    async with (
        attempt_challenge(token, database=database, guard=guard, client=client) as challenge,
        database.transaction() as db,
    ):
        return await finish_challenge(
            db, challenge, code, factors=factors, outbox=outbox, codec=codec, device=device
        )


async def finish_challenge(
    db: AsyncSession,
    challenge: OpenChallenge,
    code: str,
    *,
    factors: SecondFactors,
    outbox: Outbox,
    codec: RefreshTokenCodec,
    device: Device,
    client_id: str = FIRST_PARTY_CLIENT,
    scope: str = EVERY_SCOPE,
) -> BegunSession:
    """Begin the session, and use up the challenge and the code, in the given transaction.

    Raises `SecondFactorFailed` for a wrong code, and `LoginExpired` if the challenge is finished, voided, or of another
    client or scope; the transaction has to be rolled back then. Call it within `attempt_challenge`. It locks the account
    first, so that only one of several concurrent calls uses a code.
    """
    account = await repository.lock_user(db, challenge.user_id)
    if account is None or not await repository.use_challenge(
        db, challenge.token_hash, client_id=client_id, scope=scope
    ):
        raise LoginExpired
    if not await use_app_code(db, account.id, code, factors=factors):
        if not await use_recovery_code(db, account.id, code, factors=factors):
            raise SecondFactorFailed
        await _notify_of_recovery_code(db, account, outbox=outbox)
    await repository.clear_reverification(db, account.id)
    begun = await begin_session(
        db,
        account.id,
        codec=codec,
        device=device.by(challenge.amr),
        client_id=client_id,
        scope=scope,
        second_factor_verified=True,
    )
    if begun is None:
        raise LoginExpired
    return begun


async def _notify_of_recovery_code(db: AsyncSession, account: AnyRow, *, outbox: Outbox) -> None:
    left = await repository.count_recovery_codes(db, account.id)
    await record_event(db, "recovery_code_used", user_id=account.id)
    await outbox.notify_owner(
        db, "recovery_code_used", address=account.email, user_id=account.id, payload=str(left)
    )
