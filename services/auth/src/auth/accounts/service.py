"""The rules of accounts."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.accounts import repository
from auth.accounts.repository import Holders, NewAccount
from auth.accounts.schemas import UserAnswer
from auth.audit.repository import record_event
from auth.errors import EmailTaken, SessionEnded, UsernameTaken
from dbcommon.engine import Database
from dbcommon.errors import DatabaseBusy
from dbcommon.models import new_id
from webcommon.credentials import Registration
from webcommon.passwords import PasswordHasher


async def register(
    registration: Registration, *, database: Database, hasher: PasswordHasher, reveal_taken_email: bool
) -> UserAnswer:
    """Make an account. Raises `UsernameTaken`, and `EmailTaken` where that is to be revealed.

    For a taken e-mail the same statements run and the same answer is made, down to a fresh id, so that neither the
    answer nor its timing tells. The username is looked at first: its 409 does not depend on the e-mail.
    """
    account = NewAccount(
        id=new_id(),
        email=registration.email,
        username=registration.username,
        password_hash=await hasher.hash(registration.password.get_secret_value()),
    )
    async with database.transaction() as session:
        await repository.insert_if_free(session, account)
        holders = await repository.find_holders(session, email=account.email, username=account.username)
        if holders.of_username not in (account.id, None):
            raise UsernameTaken
        await _record(session, account, holders=holders, reveal_taken_email=reveal_taken_email)
    return _describe_new(account, at=holders.at)


async def _record(
    session: AsyncSession, account: NewAccount, *, holders: Holders, reveal_taken_email: bool
) -> None:
    if holders.of_email is None:
        raise DatabaseBusy("the account that held the e-mail or username was deleted at this moment")
    if holders.of_email == account.id:
        await record_event(session, "register", user_id=account.id)
    elif reveal_taken_email:
        raise EmailTaken
    else:
        await record_event(session, "register_taken_email", user_id=holders.of_email)


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


async def read_own(database: Database, *, user_id: UUID, session_id: UUID) -> UserAnswer:
    """The caller's account. Raises `SessionEnded` when the session or the account is no longer good."""
    row = await repository.find_live_account(database, user_id=user_id, session_id=session_id)
    if row is None:
        raise SessionEnded
    return UserAnswer.model_validate(dict(row))
