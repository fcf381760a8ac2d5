"""The current user of Auth's routes: read from the database, so that an ended session is refused at once, and locked
before a change."""

import time
from collections.abc import Collection
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession

from auth.errors import ReauthenticationRequired, SessionEnded
from auth.sessions import repository
from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from dbcommon.session import DatabaseDep
from webcommon.api.paging import CursorCodec
from webcommon.api.problems import Forbidden, InvalidRequest
from webcommon.auth.bearer import Caller, CallerDep

RECENT_SECONDS = 10 * 60
"""A sign-in younger than this is recent."""


async def get_current_user(caller: CallerDep, database: DatabaseDep) -> Caller:
    """The caller, with their present roles. Raises `SessionEnded` if the session has ended or the account is disabled."""
    row = await repository.find_live(database, session_id=caller.session_id, user_id=caller.id)
    if row is None:
        raise SessionEnded
    return Caller(
        id=caller.id,
        session_id=caller.session_id,
        email=row["email"],
        email_verified=row["email_verified"],
        username=row["username"],
        roles=frozenset(row["roles"]),
        authenticated_at=caller.authenticated_at,
        expires_at=caller.expires_at,
        scope=caller.scope,
    )


CurrentUserDep = Annotated[Caller, Depends(get_current_user)]
"""The caller, whose session is live; else 401. For routes whose own statement does not check that. The session may end
before a change is made, so changes call `lock_current_user`."""


async def get_administrator(caller: CurrentUserDep) -> Caller:
    """The caller, an administrator by the database, whatever the token says. Raises `Forbidden`."""
    require_administrator(caller.roles)
    return caller


def require_administrator(roles: Collection[str]) -> None:
    """Raise `Forbidden` unless `admin` is among the roles."""
    if "admin" not in roles:
        raise Forbidden("This needs the role admin.")


def require_live(roles: Collection[str] | None) -> Collection[str]:
    """The roles from `repository.CALLER_ROLES`. Raises `SessionEnded` if they are null."""
    if roles is None:
        raise SessionEnded
    return roles


async def read_position(
    database: Database,
    caller: Caller,
    cursors: CursorCodec,
    *,
    scope: str,
    cursor: str | None,
    first: UUID,
    for_administrators: bool = False,
) -> UUID:
    """The id after which a page begins; `first` without a cursor. For lists whose own statement checks the caller.

    That statement does not run for a wrong cursor, so the caller is checked here, before the cursor is refused. Raises
    `SessionEnded`, `Forbidden`, `InvalidRequest`.
    """
    try:
        position: UUID
        (position,) = cursors.decode(scope, cursor) or (first,)
    except InvalidRequest:
        roles = (await get_current_user(caller, database)).roles
        if for_administrators:
            require_administrator(roles)
        raise
    return position


AdministratorDep = Annotated[Caller, Depends(get_administrator)]
"""The caller, an administrator; 401 without a live session, 403 without the role. Changes check both again, with both
accounts locked (`auth.admin.service`)."""


async def lock_current_user(db: AsyncSession, caller: Caller, *, changes_key: bool = False) -> AnyRow:
    """The caller's account; its row and the session's are locked until the transaction ends. Raises `SessionEnded`.

    `CurrentUserDep` read without a lock. If a takeover ended the session since, and voided what it had added, a change
    made afterwards would remain.

    `changes_key`: the account will be deleted, or its e-mail or username changed, so the lock is `FOR UPDATE` at once.
    CONTRIBUTING.md has the order of locks, and says why none grows.
    """
    account = await repository.lock_current_user(
        db, caller.id, session_id=caller.session_id, changes_key=changes_key
    )
    if account is None:
        raise SessionEnded
    return account


def require_recent_login(caller: Caller) -> None:
    """Raise `ReauthenticationRequired` unless the caller signed in less than `RECENT_SECONDS` ago; a refresh is no sign-in."""
    if time.time() - caller.authenticated_at >= RECENT_SECONDS:
        raise ReauthenticationRequired
