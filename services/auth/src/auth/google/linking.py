"""Which account a person at Google gets into. All of it happens in one transaction, with the account locked first."""

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


class NotAdmitted(Exception):
    """Nobody is signed in, and nothing was changed. `code` tells the app why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class SettledMeanwhile(Exception):
    """Somebody else linked this Google account, or made an account of this address, at this moment: to be begun anew."""


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A person at Google, and the token that came along, encrypted."""

    identity: Identity
    access_token: str = field(repr=False)
    lifetime: timedelta


async def settle(db: AsyncSession, arrival: Arrival, *, outbox: Outbox) -> UUID:
    """The account that they get into, linked now if it was not. Raises `NotAdmitted` and `SettledMeanwhile`.

    A Google account that is known gets into its account, whatever became of either's address. Else the address decides,
    and only if Google has verified it: an account that has it is linked, after everything was taken from it if nobody had
    proven the address here, since whoever made it may be a stranger who waits for its owner.
    """
    identity = arrival.identity
    owner = await repository.find_owner(db, identity.subject)
    if owner is not None:
        return await _enter(db, owner, arrival)
    if identity.email is None or not identity.email_verified:
        raise NotAdmitted("email_unverified")
    account = await repository.lock_account_by_email(db, identity.email)
    if account is None:
        user_id = await _make_account(db, identity, email=identity.email)
        await _link(db, user_id, arrival)
        return user_id
    _refuse_disabled(account)
    if account.email_verified:
        # What proved it may have been a new password, which leaves a stranger's factor, and the owner outside.
        if await void_unverified_second_factor(db, account.id):
            await outbox.notify_owner(db, "mfa_disabled", address=account.email, user_id=account.id)
    else:
        await _void(db, account.id)
    await _link(db, account.id, arrival)
    await outbox.notify_owner(db, "oauth_linked", address=account.email, user_id=account.id)
    return UUID(str(account.id))


async def _enter(db: AsyncSession, user_id: UUID, arrival: Arrival) -> UUID:
    account = await repository.lock_account(db, user_id)
    if account is None:
        raise SettledMeanwhile
    _refuse_disabled(account)
    kept = await repository.update_link(
        db,
        user_id,
        subject=arrival.identity.subject,
        access_token=arrival.access_token,
        lifetime=arrival.lifetime,
    )
    if not kept:
        raise SettledMeanwhile
    return user_id


def _refuse_disabled(account: AnyRow) -> None:
    # The word for it says no more than a login's 401 does.
    if account.disabled_at is not None:
        raise NotAdmitted("sign_in_refused")


async def _link(db: AsyncSession, user_id: UUID, arrival: Arrival) -> None:
    linked = await repository.insert_link(
        db,
        user_id,
        subject=arrival.identity.subject,
        access_token=arrival.access_token,
        lifetime=arrival.lifetime,
    )
    if not linked:
        raise SettledMeanwhile
    await record_event(db, "oauth_linked", user_id=user_id)


async def _void(db: AsyncSession, user_id: UUID) -> None:
    await void_sign_in_methods(db, user_id)
    await repository.note_proven(db, user_id)
    await end_sessions(db, user_id, reason="account_linked")
    await record_event(db, "email_verified", user_id=user_id)


async def _make_account(db: AsyncSession, identity: Identity, *, email: str) -> UUID:
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
            # Either an account that was made at this moment, or one that may still take this address back.
            if await repository.lock_account_by_email(db, email) is None:
                raise NotAdmitted("email_reserved")
            raise SettledMeanwhile
    raise SettledMeanwhile
