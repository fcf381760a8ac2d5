"""Which account a Google account signs in to. All of it runs in one transaction, which locks the account first."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.audit.repository import record_event
from auth.google import repository
from auth.google.id_tokens import Identity
from auth.google.usernames import suggest_usernames
from auth.mail.outbox import Outbox
from auth.sessions.ending import end_sessions
from auth.users.repository import NewAccount, find_holders, insert_if_free
from auth.users.sign_in_methods import void_sign_in_methods, void_unverified_second_factor
from dbcommon.models import new_id
from dbcommon.rows import AnyRow


class SignInRefused(Exception):
    """The sign-in is refused, and nothing was changed. `code` tells the app why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class ConcurrentLink(Exception):
    """A concurrent request linked this Google account, or took the address or the username: the caller tries again."""


@dataclass(frozen=True, kw_only=True)
class ProviderProfile:
    """The identity that Google confirmed, and its access token, encrypted."""

    identity: Identity
    access_token: str = field(repr=False)
    lifetime: timedelta


async def resolve_account(db: AsyncSession, profile: ProviderProfile, *, outbox: Outbox) -> UUID:
    """The account that the Google account signs in to; links it if it is not linked yet. Raises `SignInRefused` and
    `ConcurrentLink`.

    A linked Google account signs in to its account, even if one of the addresses has changed. Otherwise the account with
    Google's verified address is linked, or a new one is made. If that account has not verified the address here, its
    sign-in methods and sessions are voided first, since a stranger may have registered it.
    """
    identity = profile.identity
    owner = await repository.find_owner(db, identity.subject)
    if owner is not None:
        return await _use_link(db, owner, profile)
    if identity.email is None or not identity.email_verified:
        raise SignInRefused("email_unverified")
    account = await repository.lock_account_by_email(db, identity.email)
    if account is None:
        user_id = await _create_account(db, identity, email=identity.email)
        await _link(db, user_id, profile)
        return user_id
    _refuse_disabled(account)
    if account.email_verified:
        # A password reset may have verified the address. It keeps a second factor, which may be a stranger's, and would lock
        # the owner out.
        if await void_unverified_second_factor(db, account.id):
            await outbox.notify_owner(db, "mfa_disabled", address=account.email, user_id=account.id)
    else:
        await _reset_unverified(db, account.id)
    await _link(db, account.id, profile)
    await outbox.notify_owner(db, "oauth_linked", address=account.email, user_id=account.id)
    return UUID(str(account.id))


async def _use_link(db: AsyncSession, user_id: UUID, profile: ProviderProfile) -> UUID:
    account = await repository.lock_account(db, user_id)
    if account is None:
        raise ConcurrentLink
    _refuse_disabled(account)
    kept = await repository.update_link(
        db,
        user_id,
        subject=profile.identity.subject,
        access_token=profile.access_token,
        lifetime=profile.lifetime,
    )
    if not kept:
        raise ConcurrentLink
    return user_id


def _refuse_disabled(account: AnyRow) -> None:
    # Like a login's 401, the code does not say that the account is disabled.
    if account.disabled_at is not None:
        raise SignInRefused("sign_in_refused")


async def _link(db: AsyncSession, user_id: UUID, profile: ProviderProfile) -> None:
    linked = await repository.insert_link(
        db,
        user_id,
        subject=profile.identity.subject,
        access_token=profile.access_token,
        lifetime=profile.lifetime,
    )
    if not linked:
        raise ConcurrentLink
    await record_event(db, "oauth_linked", user_id=user_id)


async def _reset_unverified(db: AsyncSession, user_id: UUID) -> None:
    await void_sign_in_methods(db, user_id)
    await repository.mark_email_verified(db, user_id)
    await end_sessions(db, user_id, reason="account_linked")
    await record_event(db, "email_verified", user_id=user_id)


async def _create_account(db: AsyncSession, identity: Identity, *, email: str) -> UUID:
    user_id = new_id()
    for username in suggest_usernames(name=identity.name, email=email):
        account = NewAccount(
            id=user_id, email=email, username=username, password_hash=None, email_verified=True
        )
        await insert_if_free(db, account)
        holders = await find_holders(db, email=email, username=username)
        if holders.of_email == user_id:
            await record_event(db, "register", user_id=user_id)
            return user_id
        if holders.of_email is not None:
            # Another account has just got this address. If none has it, it is reserved for one.
            if await repository.lock_account_by_email(db, email) is None:
                raise SignInRefused("email_reserved")
            raise ConcurrentLink
    raise ConcurrentLink
