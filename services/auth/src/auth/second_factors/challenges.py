"""Sign-ins that wait for a second factor: opened when the first one is proven, finished by a code."""

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
"""Tells the version, and lets scanners for leaked secrets find one."""

_TOKEN_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class LoginChallenge:
    """A half-done sign-in: whose, and how it began."""

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
    """The token with which the sign-in is finished; to be called where `begin_session` raised `SecondFactorNeeded`.

    None when the account is gone or disabled, or no longer has the password that was verified. Whatever ends an
    account's sessions voids the token too.
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
async def admit_code(
    token: str, *, database: Database, guard: Guard, client: ClientInfo
) -> AsyncIterator[LoginChallenge]:
    """Leave to try one code for the sign-in of this token in the block, which a failure of it counts as one.

    Raises `LoginExpired` for a token that is not good any more, or never was, and `TooManyAttempts`.
    """
    row = await repository.find_challenge(database, hash_token(token))
    if row is None:
        raise LoginExpired
    attempt = await guard.limit_second_factor(
        row["user_id"], device_binding=row["device_binding"], client=client
    )
    try:
        yield LoginChallenge(**dict(row))
    except SecondFactorFailed:
        await attempt.fail()
        await record_login_failure(database, user_id=row["user_id"])
        raise
    except LoginExpired:
        await attempt.succeed()  # no code was looked at
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
    """Begin the session of a first-party login with a code. Raises what `admit_code` and `finish_challenge` raise."""
    async with (
        admit_code(token, database=database, guard=guard, client=client) as challenge,
        database.transaction() as db,
    ):
        return await finish_challenge(
            db, challenge, code, factors=factors, outbox=outbox, codec=codec, device=device
        )


async def finish_challenge(
    db: AsyncSession,
    challenge: LoginChallenge,
    code: str,
    *,
    factors: SecondFactors,
    outbox: Outbox,
    codec: RefreshTokenCodec,
    device: Device,
    client_id: str = FIRST_PARTY_CLIENT,
    scope: str = EVERY_SCOPE,
) -> BegunSession:
    """Begin the session, using the challenge and the code up, all in the transaction given, which is to be rolled back
    when this raises: `SecondFactorFailed` for a wrong code, `LoginExpired` when the challenge was finished or voided, or
    is not of this client and scope.

    To be called within `admit_code`. The account is locked first: of any number of calls at once one uses a code.
    """
    account = await repository.lock_user(db, challenge.user_id)
    if account is None or not await repository.use_challenge(
        db, challenge.token_hash, client_id=client_id, scope=scope
    ):
        raise LoginExpired
    if not await use_app_code(db, account.id, code, factors=factors):
        if not await use_recovery_code(db, account.id, code, factors=factors):
            raise SecondFactorFailed
        await _tell_of_recovery_code(db, account, outbox=outbox)
    await repository.note_proven(db, account.id)
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


async def _tell_of_recovery_code(db: AsyncSession, account: AnyRow, *, outbox: Outbox) -> None:
    left = await repository.count_recovery_codes(db, account.id)
    await record_event(db, "recovery_code_used", user_id=account.id)
    await outbox.notify_owner(
        db, "recovery_code_used", address=account.email, user_id=account.id, payload=str(left)
    )
