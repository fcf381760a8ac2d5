"""The account that an access token speaks for, locked: every change that a token allows begins here."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.errors import SessionEnded
from auth.models import Session, User
from auth.sessions.repository import AnyRow
from webcommon.bearer import Caller


async def lock_own_account(session: AsyncSession, caller: Caller, *, changes_key: bool = False) -> AnyRow:
    """The caller's account, which nobody else changes, and whose session nobody ends, until the transaction does.

    What `LiveCallerDep` saw may be past: whoever took the account over meanwhile has ended the session and voided what it
    had added, and a change let in behind that would stay. Raises `SessionEnded`.

    `changes_key`: the account is to be deleted, or its e-mail or username changed; the lock is `FOR UPDATE` from the start
    then. The order of locks, and why none grows: CONTRIBUTING.md.
    """
    # Two statements: the second reads what the first has waited for.
    account_row = select(User.id).where(User.id == caller.id)
    await session.execute(account_row.with_for_update(key_share=not changes_key))
    statement = (
        select(User.id, User.email, User.email_verified, User.roles)
        .join(Session, Session.user_id == User.id)
        .where(
            User.id == caller.id,
            User.disabled_at.is_(None),
            Session.id == caller.session_id,
            Session.ended_at.is_(None),
            Session.expires_at > func.now(),
        )
    )
    account = (await session.execute(statement.with_for_update(read=True, of=Session))).one_or_none()
    if account is None:
        raise SessionEnded
    return account
