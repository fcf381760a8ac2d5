"""The caller of Auth's own routes: asked of the database, so that an ended session is refused here at once."""

from collections.abc import Collection
from typing import Annotated

from fastapi import Depends

from auth.errors import SessionEnded
from auth.sessions import repository
from dbcommon.session import DatabaseDep
from webcommon.bearer import Caller, CallerDep
from webcommon.problems import Forbidden


async def get_live_caller(caller: CallerDep, database: DatabaseDep) -> Caller:
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


LiveCallerDep = Annotated[Caller, Depends(get_live_caller)]
"""The caller, whose session lives at this moment; 401 else. For every route that does not ask in its own statement. By the
time of a change it may have ended: that is what `auth.own_account.lock_own_account` is for."""


async def get_administrator(caller: LiveCallerDep) -> Caller:
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


AdministratorDep = Annotated[Caller, Depends(get_administrator)]
"""The caller, an administrator; 401 without a live session, 403 without the role. By the time of an act on an account that
may be past: the acts ask again, with both accounts locked (`auth.admin.service`)."""
