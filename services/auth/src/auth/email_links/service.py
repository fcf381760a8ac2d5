"""The rules of links in mails. Each is marked as used in the transaction of its effect, so that it works once."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from auth.audit.repository import record_event
from auth.email_links import repository
from auth.email_links.errors import InvalidLink
from auth.email_links.schemas import PasswordReset
from auth.errors import EmailTaken
from auth.mail import repository as mails
from auth.mail.outbox import Outbox
from auth.models.audit import Event
from auth.models.mail import MailKind
from auth.schemas import UserAnswer
from auth.sessions.ending import end_sessions
from auth.users.sign_in_methods import void_sign_in_methods, void_sign_in_methods_since
from dbcommon.constraints import violated_constraint
from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from webcommon.accounts.credentials import find_weakness
from webcommon.accounts.passwords import PasswordHasher
from webcommon.accounts.throttling.guard import ClientInfo, Guard
from webcommon.accounts.throttling.limits import Limit
from webcommon.api.problems import InvalidRequest, TooManyRequests
from webcommon.signing import hash_token

REVERT_LIFETIME = timedelta(days=7)
"""How long an e-mail change can be reverted, from when it was requested."""


@dataclass(frozen=True, kw_only=True)
class MailRequests:
    """Requests for links by callers who are not signed in. Made for one HTTP request."""

    database: Database
    outbox: Outbox
    guard: Guard
    client: ClientInfo
    limit: Limit

    async def request_link(self, kind: MailKind, email: str) -> None:
        """Request a link for this address. Raises `TooManyAttempts` by network. Result and time are the same for every
        address."""
        await self.guard.limit_by_network("mail request", client=self.client, limit=self.limit)
        async with self.database.transaction() as db:
            await self.outbox.enqueue_requested(db, kind, address=email)


async def request_email_change(email: str, *, account: AnyRow, db: AsyncSession, outbox: Outbox) -> None:
    """Send the new address a link that sets it, and the present one a link that reverts that. The account's present address
    withdraws a pending change. The caller has locked the account.

    Raises `TooManyRequests` when the new address was just sent such a link.
    """
    await mails.delete_tokens(db, account.id, kinds=["change_email"])
    if account.email == email:
        return
    if not await outbox.enqueue_requested(db, "change_email", address=email, user_id=account.id):
        seconds = round(outbox.interval.total_seconds())
        raise TooManyRequests("This address was just sent a link.", retry_after=seconds)
    token_hash = await outbox.enqueue_revert(db, address=account.email, user_id=account.id, new_address=email)
    await mails.insert_revert_token(
        db,
        user_id=account.id,
        token_hash=token_hash,
        email=account.email,
        was_verified=account.email_verified,
        lifetime=REVERT_LIFETIME,
    )
    await record_event(db, "email_change_requested", user_id=account.id)


async def confirm_in_transaction(token: str, *, database: Database) -> UserAnswer:
    """`confirm` in a transaction of its own."""
    async with database.transaction() as db:
        return await confirm(token, db=db)


async def confirm(token: str, *, db: AsyncSession) -> UserAnswer:
    """Confirm an address, change to it, or revert that, as the link says.

    Raises `InvalidLink`, and `EmailTaken` when another account has the address by now, or it is reserved for one.
    """
    link, user = await _use(db, token, kinds=("verify", "change_email", "revert_email"))
    if link.kind == "verify" and user.email.lower() != link.email.lower():
        raise InvalidLink
    if link.kind != "verify":
        await _void_other_links(db, link)
    changed = await _set_email(db, link)
    await _record(db, link)
    return UserAnswer.model_validate(changed)


async def _set_email(db: AsyncSession, link: AnyRow) -> AnyRow:
    try:
        async with db.begin_nested():
            changed = await repository.set_email(db, link.user_id, link.email, verified=link.was_verified)
    except IntegrityError as error:
        if violated_constraint(error) != "uq_users_email":
            raise
        raise EmailTaken from None
    # Checked after the address was set: the unique index waits for concurrent changes from and to this address, so their
    # revert links are visible now. Of two revert links for one address, the one whose address had been verified wins.
    yields = link.kind == "change_email" or not link.was_verified
    if yields and await repository.is_reserved(db, link.email, user_id=link.user_id):
        raise EmailTaken
    return changed


async def _use(db: AsyncSession, token: str, *, kinds: tuple[str, ...]) -> tuple[AnyRow, AnyRow]:
    """Mark the token as used, and lock its account; gives both."""
    link = await repository.find_token(db, hash_token(token))
    if link is None or link.kind not in kinds:
        raise InvalidLink
    # Setting the address changes a unique key, even if only the case of a letter differs.
    user = await repository.lock_enabled_user(db, link.user_id, changes_key=link.kind != "reset")
    if user is None or not await repository.use_token(db, link.id):
        raise InvalidLink
    return link, user


async def _void_other_links(db: AsyncSession, link: AnyRow) -> None:
    """Void the links that were sent to the address that is replaced."""
    others = [kind for kind in ("verify", "reset", "change_email") if kind != link.kind]
    await mails.delete_tokens(db, link.user_id, kinds=others)
    if link.kind == "revert_email":
        # A thief may have changed the address twice, and added sign-in methods. Links that revert earlier changes stay.
        since = await repository.find_change_time(db, link)
        await repository.delete_revert_tokens_since(db, link.user_id, since)
        await void_sign_in_methods_since(db, link.user_id, since)


async def _record(db: AsyncSession, link: AnyRow) -> None:
    if link.kind == "revert_email":
        await end_sessions(db, link.user_id, reason="email_changed")
        await record_event(db, "email_change_reverted", user_id=link.user_id)
    else:
        event: Event = "email_verified" if link.kind == "verify" else "email_changed"
        await record_event(db, event, user_id=link.user_id)


async def reset_password(
    body: PasswordReset, *, database: Database, hasher: PasswordHasher, outbox: Outbox
) -> None:
    """Set a new password and end every session. If the address was unverified, void passkeys and linked accounts too: the
    account may have been made by somebody else. The second factor stays.

    Raises `InvalidLink`, and `InvalidRequest` for a weak password, after which the link still works. The hash is
    computed between two transactions.
    """
    password = body.new_password.get_secret_value()
    async with database.transaction() as db:
        link = await repository.find_token(db, hash_token(body.token))
        user = None if link is None else await repository.lock_enabled_user(db, link.user_id)
    if link is None or user is None or link.kind != "reset":
        raise InvalidLink
    weakness = find_weakness(password, email=user.email, username=user.username, spells_username=True)
    if weakness is not None:
        raise InvalidRequest(weakness, pointer="#/new_password")
    password_hash = await hasher.hash(password)
    async with database.transaction() as db:
        link, user = await _use(db, body.token, kinds=("reset",))
        if user.email.lower() != link.email.lower():
            raise InvalidLink
        if not user.email_verified:
            await void_sign_in_methods(db, user.id, keep_second_factor=True)
        await repository.set_password(db, user.id, password_hash)
        await mails.delete_tokens(db, user.id, kinds=["verify", "change_email"])
        await end_sessions(db, user.id, reason="password_reset")
        await record_event(db, "password_reset", user_id=user.id)
        await outbox.notify_owner(db, "password_reset", address=user.email, user_id=user.id)
