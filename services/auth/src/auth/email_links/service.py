"""The rules of links in mails. Each is used up in the transaction of what it does, so that it works once."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from auth.audit.repository import record_event
from auth.email_links import repository
from auth.email_links.schemas import PasswordReset
from auth.errors import EmailTaken, LinkNoLongerGood
from auth.mail import email_tokens
from auth.mail import repository as mails
from auth.mail.link_tokens import hash_link_token
from auth.mail.outbox import Outbox
from auth.models.audit import Event
from auth.models.mail import MailKind
from auth.schemas import UserAnswer
from auth.sessions.ending import end_sessions
from auth.users.sign_in_methods import void_ways_in, void_ways_in_since
from dbcommon.constraints import violated_constraint
from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from webcommon.accounts.credentials import find_weakness
from webcommon.accounts.passwords import PasswordHasher
from webcommon.accounts.throttling.guard import ClientInfo, Guard
from webcommon.accounts.throttling.limits import Limit
from webcommon.api.problems import InvalidRequest, TooManyRequests

UNDO_LIFETIME = timedelta(days=7)
"""How long the old address can take a change back, from when it was asked for."""


@dataclass(frozen=True, kw_only=True)
class MailRequests:
    """Where anybody asks for a link to be sent, one request long."""

    database: Database
    outbox: Outbox
    guard: Guard
    client: ClientInfo
    limit: Limit

    async def ask(self, kind: MailKind, email: str) -> None:
        """Put down that somebody asked for a link to be sent to this address; the same for every address there is. Raises
        `TooManyAttempts`, whatever the address."""
        await self.guard.limit_by_network("mail request", client=self.client, limit=self.limit)
        async with self.database.transaction() as db:
            await self.outbox.ask(db, kind, address=email)


async def ask_for_change(email: str, *, account: AnyRow, db: AsyncSession, outbox: Outbox) -> None:
    """Send a link to the new address, which replaces the old one once that is used, and tell the old one. The one that the
    account has withdraws a change that waits. The account is locked by the caller.

    Raises `TooManyRequests` when the new address was just sent such a link.
    """
    await mails.delete_tokens(db, account.id, kinds=["change_email"])
    if account.email == email:
        return
    if not await outbox.ask(db, "change_email", address=email, user_id=account.id):
        seconds = round(outbox.interval.total_seconds())
        raise TooManyRequests("This address was just sent a link.", retry_after=seconds)
    token_hash = await outbox.offer_undo(db, address=account.email, user_id=account.id, new_address=email)
    await email_tokens.insert_undo_token(
        db,
        user_id=account.id,
        token_hash=token_hash,
        email=account.email,
        was_proven=account.email_verified,
        lifetime=UNDO_LIFETIME,
    )
    await record_event(db, "email_change_requested", user_id=account.id)


async def confirm_at_once(token: str, *, database: Database) -> UserAnswer:
    """What `confirm` does, in a transaction of its own."""
    async with database.transaction() as db:
        return await confirm(token, db=db)


async def confirm(token: str, *, db: AsyncSession) -> UserAnswer:
    """Do what the link was for: confirm an address, change to it, or go back to it.

    Raises `LinkNoLongerGood`, and `EmailTaken` when the address became another account's meanwhile, or another can still
    take it back.
    """
    link, user = await _use(db, token, kinds=("verify", "change_email", "undo_email"))
    if link.kind == "verify" and user.email.lower() != link.email.lower():
        raise LinkNoLongerGood
    if link.kind != "verify":
        await _void_other_links(db, link)
    changed = await _set_email(db, link)
    await _record(db, link)
    return UserAnswer.model_validate(changed)


async def _set_email(db: AsyncSession, link: AnyRow) -> AnyRow:
    try:
        async with db.begin_nested():
            changed = await repository.set_email(db, link.user_id, link.email, is_proven=link.was_proven)
    except IntegrityError as error:
        if violated_constraint(error) != "uq_users_email":
            raise
        raise EmailTaken from None
    # Asked for once the address is this account's: the unique index has waited for whoever was just leaving it, or going
    # back to it, and their link is seen now. Way back comes before way back only if its address had been proven.
    gives_way = link.kind == "change_email" or not link.was_proven
    if gives_way and await repository.is_reserved(db, link.email, user_id=link.user_id):
        raise EmailTaken
    return changed


async def _use(db: AsyncSession, token: str, *, kinds: tuple[str, ...]) -> tuple[AnyRow, AnyRow]:
    """The token, used up now, and its account, locked."""
    link = await repository.find_token(db, hash_link_token(token))
    if link is None or link.kind not in kinds:
        raise LinkNoLongerGood
    # Setting the address changes a key, be it in the case of a letter.
    user = await repository.lock_enabled_user(db, link.user_id, changes_key=link.kind != "reset")
    if user is None or not await repository.use_token(db, link.id):
        raise LinkNoLongerGood
    return link, user


async def _void_other_links(db: AsyncSession, link: AnyRow) -> None:
    """What was sent to the address that is left must not work any more."""
    others = [kind for kind in ("verify", "reset", "change_email") if kind != link.kind]
    await mails.delete_tokens(db, link.user_id, kinds=others)
    if link.kind == "undo_email":
        # Whoever took the account over may have changed the address twice, and made ways in of their own. Only the way back
        # to an earlier address stays.
        since = await repository.find_departure(db, link)
        await repository.void_undo_tokens_since(db, link.user_id, since)
        await void_ways_in_since(db, link.user_id, since)


async def _record(db: AsyncSession, link: AnyRow) -> None:
    if link.kind == "undo_email":
        await end_sessions(db, link.user_id, reason="email_changed")
        await record_event(db, "email_change_undone", user_id=link.user_id)
    else:
        event: Event = "email_verified" if link.kind == "verify" else "email_changed"
        await record_event(db, event, user_id=link.user_id)


async def reset_password(
    body: PasswordReset, *, database: Database, hasher: PasswordHasher, outbox: Outbox
) -> None:
    """Set a new password and end every session; of an account whose address nobody had proven, void its passkeys and links
    too, since its maker may be a stranger who waits. The second factor is still asked for.

    Raises `LinkNoLongerGood`, and `InvalidRequest` for a weak password, after which the link still works. The hash is
    computed between two transactions.
    """
    password = body.new_password.get_secret_value()
    async with database.transaction() as db:
        link = await repository.find_token(db, hash_link_token(body.token))
        user = None if link is None else await repository.lock_enabled_user(db, link.user_id)
    if link is None or user is None or link.kind != "reset":
        raise LinkNoLongerGood
    weakness = find_weakness(password, email=user.email, username=user.username, spells_username=True)
    if weakness is not None:
        raise InvalidRequest(weakness, pointer="#/new_password")
    password_hash = await hasher.hash(password)
    async with database.transaction() as db:
        link, user = await _use(db, body.token, kinds=("reset",))
        if user.email.lower() != link.email.lower():
            raise LinkNoLongerGood
        if not user.email_verified:
            await void_ways_in(db, user.id, keep_second_factor=True)
        await repository.set_password(db, user.id, password_hash)
        await mails.delete_tokens(db, user.id, kinds=["verify", "change_email"])
        await end_sessions(db, user.id, reason="password_reset")
        await record_event(db, "password_reset", user_id=user.id)
        await outbox.tell(db, "password_reset", address=user.email, user_id=user.id)
