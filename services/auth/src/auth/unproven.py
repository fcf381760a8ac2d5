"""Taking an account from whoever made it, when the owner of its address turns up.

Anybody can make an account with an address that is not theirs and wait in it: what opened it before the address was proven
must not open it afterwards.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, literal, null, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningDelete, ReturningUpdate

from auth.audit.repository import Event, record_event
from auth.mail import repository as mails
from auth.models import OAuthAccount, User
from auth.passkeys.models import Passkey
from auth.second_factors.models import TotpSecret

_EVERY_LINK = ("verify", "reset", "change_email", "undo_email")


async def void_ways_in(session: AsyncSession, user_id: UUID, *, keep_second_factor: bool = False) -> None:
    """Void the password, linked accounts, passkeys, second factor and links in mails of an account, with an event each.

    The account is locked by the caller, who ends its sessions afterwards. A second factor that is kept lets nobody in.
    """
    secret = delete(TotpSecret).where(TotpSecret.user_id == user_id, literal(not keep_second_factor))
    password = update(User).where(User.id == user_id, User.password_hash.is_not(None))
    voided: list[tuple[Event, ReturningUpdate[Any] | ReturningDelete[Any]]] = [
        ("password_voided", password.values(password_hash=null()).returning(User.id)),
        (
            "oauth_unlinked",
            delete(OAuthAccount).where(OAuthAccount.user_id == user_id).returning(OAuthAccount.id),
        ),
        ("passkey_removed", delete(Passkey).where(Passkey.user_id == user_id).returning(Passkey.id)),
        ("mfa_disabled", secret.returning(TotpSecret.confirmed_at)),
    ]
    for event, statement in voided:
        # A second factor that was never confirmed guarded nothing.
        for _ in filter(None, (await session.execute(statement)).scalars()):
            await record_event(session, event, user_id=user_id)
    await mails.delete_tokens(session, user_id, kinds=_EVERY_LINK)
