"""The caller of Auth's own routes: asked of the database, so that an ended session is refused at once, and locked where
something changes."""

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
"""A login younger than this is recent."""


async def get_current_user(caller: CallerDep, database: DatabaseDep) -> Caller:
    """The caller, with the roles of this moment. Raises `SessionEnded` when the session or the account is no longer good."""
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
"""The caller, whose session lives at this moment; 401 else. For every route that does not ask in its own statement. By the
time of a change it may have ended: that is what `lock_current_user` is for."""


async def get_administrator(caller: CurrentUserDep) -> Caller:
    """The caller, who is an administrator at this moment, whatever the token says. Raises `Forbidden`."""
    require_administrator(caller.roles)
    return caller


def require_administrator(roles: Collection[str]) -> None:
    """Raise `Forbidden` unless the roles are an administrator's."""
    if "admin" not in roles:
        raise Forbidden("This needs the role admin.")


def require_live(roles: Collection[str] | None) -> Collection[str]:
    """The roles that `repository.CALLER_ROLES` gave. Raises `SessionEnded` when it gave none."""
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
    """The id behind which a page begins, `first` without a cursor; for lists whose statement asks about its caller itself.

    That statement does not run for a wrong cursor, so the caller is asked about here: who may not read the list hears that
    and nothing of the cursor. Raises `SessionEnded`, `Forbidden`, `InvalidRequest`.
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
"""The caller, an administrator; 401 without a live session, 403 without the role. By the time of an act on an account that
may be past: the acts ask again, with both accounts locked (`auth.admin.service`)."""


async def lock_current_user(db: AsyncSession, caller: Caller, *, changes_key: bool = False) -> AnyRow:
    """The caller's account, which nobody else changes, and whose session nobody ends, until the transaction does.

    What `CurrentUserDep` saw may be past: whoever took the account over meanwhile has ended the session and voided what it
    had added, and a change let in behind that would stay. Raises `SessionEnded`.

    `changes_key`: the account is to be deleted, or its e-mail or username changed; the lock is `FOR UPDATE` from the start
    then. The order of locks, and why none grows: CONTRIBUTING.md.
    """
    account = await repository.lock_current_user(
        db, caller.id, session_id=caller.session_id, changes_key=changes_key
    )
    if account is None:
        raise SessionEnded
    return account


def require_recent_login(caller: Caller) -> None:
    """Raise `ReauthenticationRequired` unless the caller signed in less than `RECENT_SECONDS` ago; refreshing is no login."""
    if time.time() - caller.authenticated_at >= RECENT_SECONDS:
        raise ReauthenticationRequired
