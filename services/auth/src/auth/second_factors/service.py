"""Changing the current user's second factors, with an event and a mail to the owner."""

from sqlalchemy.ext.asyncio import AsyncSession

from auth.audit.repository import record_event
from auth.errors import ReauthenticationRequired, SessionEnded
from auth.mail.outbox import Outbox
from auth.second_factors import repository
from auth.second_factors.codes import SecondFactors, parse_app_code
from auth.second_factors.errors import IncorrectCode, NoSecondFactor, SecondFactorEnabled
from auth.second_factors.recovery_codes import COUNT, new_code, parse_recovery_code
from auth.second_factors.schemas import RecoveryCodesAnswer, SecondFactorStatus, TotpSecretAnswer
from auth.second_factors.totp import describe_secret, encode_secret, find_step, new_secret
from auth.sessions.current_user import lock_current_user, require_recent_login
from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from webcommon.api.problems import NotFound
from webcommon.auth.bearer import Caller


async def lock_factors(db: AsyncSession, caller: Caller) -> AnyRow:
    """The caller's account and second factor, locked for a change.

    Raises `SessionEnded`, and `ReauthenticationRequired` if the sign-in is not recent, or is older than the second factor
    and never verified it: the session may be an attacker's, whom the factor has to keep out.
    """
    account = await _lock_after_recent_login(db, caller)
    if account.never_verified:
        raise ReauthenticationRequired
    return account


async def _lock_after_recent_login(db: AsyncSession, caller: Caller) -> AnyRow:
    require_recent_login(caller)
    account = await lock_current_user(db, caller)
    return await repository.read_factors(db, account.id, session_id=caller.session_id)


async def begin_totp(db: AsyncSession, caller: Caller, *, factors: SecondFactors) -> TotpSecretAnswer:
    """A new secret, in place of an unconfirmed one. It takes effect once a code confirms it.

    Raises `SecondFactorEnabled` if there is a confirmed one, `ReauthenticationRequired` and `SessionEnded`.
    """
    account = await _lock_after_recent_login(db, caller)
    secret = new_secret()
    stored = factors.encrypt(secret, user_id=account.id)
    if not await repository.store_pending_secret(db, account.id, secret=stored):
        raise SecondFactorEnabled
    uri = describe_secret(secret, account=account.email, issuer=factors.name)
    return TotpSecretAnswer(secret=encode_secret(secret), otpauth_uri=uri)


async def confirm_totp(
    db: AsyncSession, caller: Caller, typed: str, *, factors: SecondFactors, outbox: Outbox
) -> RecoveryCodesAnswer:
    """Confirm the secret with a code, which is used up; gives the recovery codes.

    Raises `IncorrectCode`, `NoSecondFactor` if there is no secret that this `AUTH_SECRET` decrypts, `SecondFactorEnabled`,
    `SessionEnded` and `ReauthenticationRequired`. Wrong codes are not counted, since the caller knows the secret.
    """
    account = await _lock_after_recent_login(db, caller)
    if account.confirmed_at is not None:
        raise SecondFactorEnabled
    secret = None if account.secret is None else factors.decrypt(account.secret, user_id=account.id)
    if secret is None:
        raise NoSecondFactor
    code = parse_app_code(typed)
    step = None if code is None else find_step(secret, code)
    if step is None:
        raise IncorrectCode
    if not await repository.confirm_secret(db, account.id, step=step, session_id=caller.session_id):
        raise SecondFactorEnabled
    codes = await _replace_recovery_codes(db, account, factors=factors)
    await record_event(db, "mfa_enabled", user_id=account.id, session_id=caller.session_id)
    await outbox.notify_owner(db, "mfa_enabled", address=account.email, user_id=account.id)
    return codes


async def remove_totp(db: AsyncSession, caller: Caller, *, outbox: Outbox) -> None:
    """Remove the second factor and its recovery codes. If it was confirmed, the owner is notified.

    The recent sign-in verified the factor, so no code is asked for. Raises `NotFound`, and what `lock_factors` raises.
    """
    account = await lock_factors(db, caller)
    if account.secret is None:
        raise NotFound("There is no authenticator app to remove.")
    if await repository.delete_secret(db, account.id):
        await record_event(db, "mfa_disabled", user_id=account.id, session_id=caller.session_id)
        await outbox.notify_owner(db, "mfa_disabled", address=account.email, user_id=account.id)


async def renew_recovery_codes(
    db: AsyncSession, caller: Caller, *, factors: SecondFactors, outbox: Outbox
) -> RecoveryCodesAnswer:
    """Replace the recovery codes. Raises `NoSecondFactor`, and what `lock_factors` raises."""
    account = await lock_factors(db, caller)
    if account.confirmed_at is None:
        raise NoSecondFactor
    codes = await _replace_recovery_codes(db, account, factors=factors)
    await record_event(db, "recovery_codes_replaced", user_id=account.id, session_id=caller.session_id)
    await outbox.notify_owner(db, "recovery_codes_replaced", address=account.email, user_id=account.id)
    return codes


async def _replace_recovery_codes(
    db: AsyncSession, account: AnyRow, *, factors: SecondFactors
) -> RecoveryCodesAnswer:
    codes = [new_code() for _ in range(COUNT)]
    hashes = [
        factors.recovery_codes.hash(parse_recovery_code(code) or "", user_id=account.id) for code in codes
    ]
    await repository.replace_recovery_codes(db, account.id, code_hashes=hashes)
    return RecoveryCodesAnswer(recovery_codes=codes)


async def read_status(database: Database, caller: Caller) -> SecondFactorStatus:
    """The caller's second factor, recovery codes and passkeys."""
    row = await repository.read_status(database, caller.id)
    if row is None:
        raise SessionEnded
    return SecondFactorStatus.of(
        totp_enabled_at=row.totp_enabled_at,
        recovery_codes_left=row.recovery_codes_left,
        passkeys=row.passkeys,
    )
