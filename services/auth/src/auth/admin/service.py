"""The rules of administration."""

import hashlib
from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from auth.admin import repository
from auth.admin.errors import CannotModifySelf
from auth.admin.schemas import AdministeredUser
from auth.audit.repository import record_event
from auth.mail.outbox import Outbox
from auth.models.audit import Event
from auth.second_factors.repository import delete_secret
from auth.sessions.current_user import (
    lock_current_user,
    read_position,
    require_administrator,
    require_live,
    require_recent_login,
)
from auth.sessions.ending import end_sessions
from dbcommon.engine import Database
from dbcommon.models import LOWEST_ID
from dbcommon.rows import AnyRow
from webcommon.api.paging import CursorCodec
from webcommon.api.problems import NotFound
from webcommon.auth.bearer import Caller


async def list_users(
    database: Database,
    caller: Caller,
    *,
    search: str | None,
    cursors: CursorCodec,
    limit: int,
    cursor: str | None,
) -> Response:
    """A `Page[AdministeredUser]` of the accounts that `search` finds, the oldest first, for an administrator.

    Raises `SessionEnded`, `Forbidden`, and `InvalidRequest` for a wrong cursor.
    """
    # Cursors appear in URLs and logs, so the search text is hashed.
    scope = "users " + hashlib.sha256((search or "").encode()).hexdigest()
    after = await read_position(
        database, caller, cursors, scope=scope, cursor=cursor, first=LOWEST_ID, for_administrators=True
    )
    page = await repository.find_page(database, caller, search=search, after=after, limit=limit)
    require_administrator(require_live(page["caller_roles"]))
    return cursors.json_page(page[:-1], scope=scope)


async def read_user(database: Database, user_id: UUID) -> AdministeredUser:
    """An account. Raises `NotFound`."""
    row = await repository.find_user(database, user_id)
    if row is None:
        raise _unknown()
    return AdministeredUser.model_validate(row)


async def set_disabled(
    db: AsyncSession, user_id: UUID, *, disabled: bool, administrator: Caller
) -> AdministeredUser:
    """Disable an account, which ends its sessions, or enable it. Idempotent.

    Raises `CannotModifySelf`, so that one administrator is always left, and what `_lock_user` raises.
    """
    if user_id == administrator.id:
        raise CannotModifySelf
    await _lock_user(db, user_id, administrator=administrator)
    if await repository.set_disabled(db, user_id, disabled=disabled):
        event: Event = "account_disabled" if disabled else "account_enabled"
        await record_event(db, event, user_id=user_id, actor_id=administrator.id)
    if disabled:
        await end_sessions(db, user_id, reason="account_disabled", actor_id=administrator.id)
    return AdministeredUser.model_validate(await repository.read_user(db, user_id))


async def end_all_sessions(db: AsyncSession, user_id: UUID, *, administrator: Caller) -> int:
    """End all sessions of an account; gives their number. Raises what `_lock_user` raises."""
    await _lock_user(db, user_id, administrator=administrator)
    return await end_sessions(db, user_id, reason="administrator", actor_id=administrator.id)


async def remove_second_factor(
    db: AsyncSession, user_id: UUID, *, administrator: Caller, outbox: Outbox
) -> None:
    """Remove the second factor of an account whose owner is locked out by it, and tell the owner. Idempotent.

    Raises `ReauthenticationRequired`, `CannotModifySelf` (removing one's own needs a sign-in with it), and what `_lock_user`
    raises.
    """
    require_recent_login(administrator)
    if user_id == administrator.id:
        raise CannotModifySelf
    user = await _lock_user(db, user_id, administrator=administrator)
    if await delete_secret(db, user_id):
        await record_event(db, "mfa_disabled", user_id=user_id, actor_id=administrator.id)
        await outbox.notify_owner(db, "mfa_disabled", address=user.email, user_id=user_id)


async def _lock_user(db: AsyncSession, user_id: UUID, *, administrator: Caller) -> AnyRow:
    """Lock an account and the administrator's own, and check the administrator again: account, role or session may have been
    lost since `AdministratorDep` looked. Raises `SessionEnded`, `Forbidden` and `NotFound`.
    """
    await repository.lock_users(db, user_id, administrator.id)
    actor = await lock_current_user(db, administrator)
    require_administrator(actor.roles)
    user = await repository.read_user(db, user_id)
    if user is None:
        raise _unknown()
    return user


def _unknown() -> NotFound:
    return NotFound("There is no account with this id.")
