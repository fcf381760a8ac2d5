"""The rules of accounts."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import Response
from pydantic import SecretStr
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from auth.accounts import repository
from auth.accounts.errors import UsernameTaken
from auth.accounts.schemas import AccountPatch
from auth.audit.repository import record_event
from auth.email_links.service import request_email_change
from auth.errors import EmailTaken, PasswordWrong, SessionEnded
from auth.google.repository import find_tokens
from auth.google.service import GoogleSignIn
from auth.mail.outbox import Outbox
from auth.mail.repository import find_previous_addresses
from auth.passwords.service import verify_password
from auth.schemas import UserAnswer
from auth.sessions.current_user import lock_current_user, read_position, require_live, require_recent_login
from auth.users import repository as users
from auth.users.repository import Holders, NewAccount
from dbcommon.constraints import violated_constraint
from dbcommon.engine import Database
from dbcommon.errors import DatabaseBusy
from dbcommon.models import HIGHEST_ID, new_id
from webcommon.accounts.credentials import Registration
from webcommon.accounts.passwords import PasswordHasher
from webcommon.accounts.throttling.guard import ClientInfo, Guard
from webcommon.accounts.throttling.limits import Limit
from webcommon.api.paging import CursorCodec
from webcommon.auth.bearer import Caller


async def register(
    registration: Registration,
    *,
    database: Database,
    hasher: PasswordHasher,
    outbox: Outbox,
    guard: Guard,
    client: ClientInfo,
    reveal_taken_email: bool,
    stores_shadow_accounts: bool,
) -> UserAnswer:
    """Make an account. Raises `UsernameTaken`, `EmailTaken` with `reveal_taken_email`, and `TooManyAttempts`.

    For a taken e-mail the same statements run, a mail is added too, and the answer has a fresh id, so that neither answer nor
    timing reveals it. The username is checked first, so that its 409 does not depend on the e-mail. With
    `stores_shadow_accounts` later requests reveal nothing either: username and password behave like those of an account
    with an unverified address.
    """
    await guard.limit_sign_up(client=client)
    account = NewAccount(
        id=new_id(),
        email=registration.email,
        username=registration.username,
        password_hash=await hasher.hash(registration.password.get_secret_value()),
    )
    async with database.transaction() as db:
        await users.insert_if_free(db, account)
        if stores_shadow_accounts:
            await users.insert_shadow(db, account)
        holders = await users.find_holders(db, email=account.email, username=account.username)
        if holders.of_username not in (account.id, None):
            raise UsernameTaken
        if holders.of_email is None or (stores_shadow_accounts and holders.of_username is None):
            raise DatabaseBusy("the account that had the e-mail or username was just deleted")
        await _record(db, account, holders=holders, reveal_taken_email=reveal_taken_email)
        is_new = holders.of_email == account.id
        kind: Literal["verify", "email_taken"] = "verify" if is_new else "email_taken"
        await outbox.enqueue_registration(db, kind, address=account.email, user_id=holders.of_email)
    return _describe_new(account, at=holders.at)


async def _record(
    db: AsyncSession, account: NewAccount, *, holders: Holders, reveal_taken_email: bool
) -> None:
    if holders.of_email == account.id:
        await record_event(db, "register", user_id=account.id)
    elif reveal_taken_email:
        raise EmailTaken
    else:
        await record_event(db, "register_taken_email", user_id=holders.of_email)


def _describe_new(account: NewAccount, *, at: datetime) -> UserAnswer:
    return UserAnswer(
        id=account.id,
        email=account.email,
        username=account.username,
        email_verified=False,
        roles=["user"],
        created_at=at,
        updated_at=at,
    )


async def read_own(database: Database, *, user_id: UUID, session_id: UUID) -> str:
    """The caller's `UserAnswer` as JSON. Raises `SessionEnded` when the session is not live, or the account disabled."""
    account = await repository.find_live_account(database, user_id=user_id, session_id=session_id)
    if account is None:
        raise SessionEnded
    return account


async def limit_address_change(caller: Caller, *, guard: Guard, limit: Limit) -> None:
    """Count an e-mail change against the account's limit: each sends a mail to an unverified address. Raises
    `ReauthenticationRequired` and `TooManyAttempts`. Call it before the transaction begins."""
    require_recent_login(caller)
    await guard.limit_action("address change", account=caller.id, limit=limit)


async def change_own(
    caller: Caller, patch: AccountPatch, *, database: Database, outbox: Outbox
) -> UserAnswer:
    """The account after the change; its e-mail address changes later, by a link.

    Raises `SessionEnded`, `UsernameTaken`, and `TooManyRequests` for a new address.
    """
    async with database.transaction() as db:
        return await _change(db, caller, patch, outbox=outbox)


async def _change(db: AsyncSession, caller: Caller, patch: AccountPatch, *, outbox: Outbox) -> UserAnswer:
    account = await lock_current_user(db, caller, changes_key=patch.username is not None)
    if patch.email is not None:
        await request_email_change(patch.email, account=account, db=db, outbox=outbox)
    if patch.username is not None:
        try:
            renamed = await repository.rename(db, caller.id, username=patch.username)
        except IntegrityError as error:
            if violated_constraint(error) == "uq_users_username":
                raise UsernameTaken from None
            raise
        if renamed:
            await record_event(db, "username_changed", user_id=caller.id, session_id=caller.session_id)
    return UserAnswer.model_validate(await repository.read_account(db, caller.id))


async def delete_own(
    caller: Caller,
    password: SecretStr | None,
    *,
    database: Database,
    hasher: PasswordHasher,
    guard: Guard,
    client: ClientInfo,
    outbox: Outbox,
    google: GoogleSignIn | None,
) -> list[str]:
    """Delete the caller's account with its personal data, and tell the owner. The history stays, with ids only. Gives
    Google's tokens, which the caller revokes.

    Raises `SessionEnded`, `PasswordWrong` and `TooManyAttempts`; for an account without a password `NoPassword` when one
    was given, else `ReauthenticationRequired`.
    """
    password_hash = None
    if password is not None:
        account = await verify_password(
            caller, password, database=database, hasher=hasher, guard=guard, client=client
        )
        password_hash = account.password_hash
    else:
        require_recent_login(caller)
    async with database.transaction() as db:
        account = await lock_current_user(db, caller, changes_key=True)
        previous = await find_previous_addresses(db, account.id, address=account.email)
        links = await find_tokens(db, account.id)
        deleted = await repository.delete_account(db, caller.id, password_hash=password_hash)
        if deleted is None:
            raise PasswordWrong
        for address in (deleted.email, *previous):
            await outbox.enqueue_account_deleted(db, address=address, username=deleted.username)
        await record_event(db, "account_deleted", user_id=caller.id, session_id=caller.session_id)
    return [] if google is None else google.decrypt_tokens(links)


async def list_own_events(
    database: Database, caller: Caller, *, cursors: CursorCodec, limit: int, cursor: str | None
) -> Response:
    """A `Page[EventAnswer]` of the caller's account, the newest first.

    Raises `SessionEnded`, and `InvalidRequest` for a wrong cursor.
    """
    scope = f"own events {caller.id}"
    before = await read_position(database, caller, cursors, scope=scope, cursor=cursor, first=HIGHEST_ID)
    page = await repository.find_page(database, caller, before=before, limit=limit)
    require_live(page["caller_roles"])
    return cursors.json_page(page[:-1], scope=scope)
