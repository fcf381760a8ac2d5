"""The sign-in methods of an account: password, linked accounts, passkeys, and the second factor.

The last method is never removed. All are voided when the owner of the address takes the account over: an attacker may have
registered it with an address that is not theirs, or changed the address of an account that they broke into, and none of
their methods may work afterwards. The caller locks the account before, and ends its sessions after.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, literal_column, null, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningDelete, ReturningUpdate

from auth.audit.repository import record_event
from auth.mail import repository as mails
from auth.models import AuditEvent, OAuthAccount, Passkey, RecoveryCode, TotpSecret, User
from auth.models.audit import Event

_EVERY_LINK = ("verify", "reset", "change_email", "revert_email")

_EVER: ColumnElement[datetime] = literal_column("'-infinity'::timestamptz")

_Since = datetime | ColumnElement[datetime]


async def void_sign_in_methods(db: AsyncSession, user_id: UUID, *, keep_second_factor: bool = False) -> None:
    """Void the password, linked accounts, passkeys, second factor and links in mails of an account, with an event for each.

    A second factor that is kept signs nobody in by itself; it needs reverification until one of its codes is used.
    """
    await _void_password(db, user_id, true())
    await _void_links_and_passkeys(db, user_id, since=_EVER)
    if keep_second_factor:
        kept = update(TotpSecret).where(TotpSecret.user_id == user_id, TotpSecret.confirmed_at.is_not(None))
        await db.execute(kept.values(needs_reverification=True))
    else:
        await _void_second_factor(db, user_id, true())
    await mails.delete_tokens(db, user_id, kinds=_EVERY_LINK)


async def void_sign_in_methods_since(db: AsyncSession, user_id: UUID, moment: datetime) -> None:
    """Void the password, linked accounts, passkeys, second factor and recovery codes that an account got since `moment`."""
    await _void_password(db, user_id, _password_was_set(user_id, since=moment))
    await _void_links_and_passkeys(db, user_id, since=moment)
    began = func.coalesce(TotpSecret.confirmed_at, TotpSecret.created_at)
    await _void_second_factor(db, user_id, began >= moment)
    await db.execute(
        delete(RecoveryCode).where(RecoveryCode.user_id == user_id, RecoveryCode.created_at >= moment)
    )


async def void_unverified_second_factor(db: AsyncSession, user_id: UUID) -> bool:
    """Void a second factor that `void_sign_in_methods` kept and that was not verified since; whether there was one. Such an
    account has no sessions."""
    return await _void_second_factor(db, user_id, TotpSecret.needs_reverification.is_(true()))


def _password_was_set(user_id: UUID, *, since: datetime) -> ColumnElement[bool]:
    return exists().where(
        AuditEvent.user_id == user_id,
        AuditEvent.event.in_(["password_changed", "password_reset"]),
        AuditEvent.at >= since,
    )


async def _void_password(db: AsyncSession, user_id: UUID, which: ColumnElement[bool]) -> None:
    password = update(User).where(User.id == user_id, User.password_hash.is_not(None), which)
    await _void(db, user_id, "password_voided", password.values(password_hash=null()).returning(User.id))


async def _void_links_and_passkeys(db: AsyncSession, user_id: UUID, *, since: _Since) -> None:
    link = delete(OAuthAccount).where(OAuthAccount.user_id == user_id, OAuthAccount.created_at >= since)
    passkey = delete(Passkey).where(Passkey.user_id == user_id, Passkey.created_at >= since)
    await _void(db, user_id, "oauth_unlinked", link.returning(OAuthAccount.id))
    await _void(db, user_id, "passkey_removed", passkey.returning(Passkey.id))


async def _void_second_factor(db: AsyncSession, user_id: UUID, which: ColumnElement[bool]) -> bool:
    secret = delete(TotpSecret).where(TotpSecret.user_id == user_id, which)
    # One that was never confirmed protected nothing, so it gets no event.
    return await _void(db, user_id, "mfa_disabled", secret.returning(TotpSecret.confirmed_at))


async def _void(
    db: AsyncSession,
    user_id: UUID,
    event: Event,
    statement: ReturningUpdate[Any] | ReturningDelete[Any],
) -> bool:
    voided = [given for given in (await db.execute(statement)).scalars() if given]
    for _ in voided:
        await record_event(db, event, user_id=user_id)
    return bool(voided)


async def count_sign_in_methods(db: AsyncSession, user_id: UUID) -> int:
    """The number of an account's sign-in methods: its password, linked accounts and passkeys.

    Lock the account before, so that of two concurrent removals the second counts after the first.
    """
    links = select(func.count()).where(OAuthAccount.user_id == user_id).scalar_subquery()
    passkeys = select(func.count()).where(Passkey.user_id == user_id).scalar_subquery()
    with_password = select(func.count()).where(User.id == user_id, User.password_hash.is_not(None))
    statement = select(links + passkeys + with_password.scalar_subquery())
    return int((await db.execute(statement)).scalar_one())
