"""The rules of linked accounts: they can be listed and unlinked, except for the last sign-in method."""

from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from auth.audit.repository import record_event
from auth.errors import LastSignInMethod
from auth.google import repository
from auth.google.service import GoogleSignIn
from auth.mail.outbox import Outbox
from auth.sessions.current_user import lock_current_user, read_position, require_live, require_recent_login
from auth.users.sign_in_methods import count_sign_in_methods
from dbcommon.engine import Database
from dbcommon.models import HIGHEST_ID
from webcommon.api.paging import CursorCodec
from webcommon.api.problems import NotFound
from webcommon.auth.bearer import Caller


async def list_linked(
    database: Database, caller: Caller, *, cursors: CursorCodec, limit: int, cursor: str | None
) -> Response:
    """A `Page[LinkedAccountAnswer]` of what is linked to the caller's account, the newest first.

    Raises `SessionEnded`, and `InvalidRequest` for a wrong cursor.
    """
    scope = f"linked accounts {caller.id}"
    before = await read_position(database, caller, cursors, scope=scope, cursor=cursor, first=HIGHEST_ID)
    page = await repository.find_page(database, caller, before=before, limit=limit)
    require_live(page["caller_roles"])
    return cursors.json_page(page[:-1], scope=scope)


async def unlink(
    caller: Caller, link_id: UUID, *, database: Database, outbox: Outbox, google: GoogleSignIn | None
) -> str | None:
    """Unlink an account of the caller. Gives the provider's token, if there is one; the caller revokes it.

    Raises `ReauthenticationRequired`, `SessionEnded`, `NotFound`, and `LastSignInMethod`; nothing is changed then.
    """
    require_recent_login(caller)
    async with database.transaction() as db:
        return await _delete_link(db, caller, link_id, outbox=outbox, google=google)


async def _delete_link(
    db: AsyncSession, caller: Caller, link_id: UUID, *, outbox: Outbox, google: GoogleSignIn | None
) -> str | None:
    account = await lock_current_user(db, caller)
    methods = await count_sign_in_methods(db, account.id)
    link = await repository.delete_link(db, link_id, user_id=caller.id)
    if link is None:
        raise NotFound("There is no such linked account of yours.")
    if methods < 2:
        raise LastSignInMethod
    await record_event(db, "oauth_unlinked", user_id=caller.id, session_id=caller.session_id)
    await outbox.notify_owner(db, "oauth_unlinked", address=account.email, user_id=caller.id)
    if google is None or link.access_token is None:
        return None
    return google.vault.decrypt(link.access_token, subject=link.provider_account_id)
