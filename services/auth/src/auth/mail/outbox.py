"""Adds mails to the outbox, in the transaction of the change that they report."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.mail import repository
from auth.mail.link_tokens import SEED_BYTES, LinkTokenCodec
from auth.models.mail import MailKind
from webcommon.signing import hash_token


@dataclass(frozen=True, kw_only=True)
class Outbox:
    """Adds mails to the outbox. `interval`: the shortest time between two mails of one kind to one address, for kinds that
    anybody can cause."""

    codec: LinkTokenCodec
    interval: timedelta

    async def enqueue_requested(
        self, db: AsyncSession, kind: MailKind, *, address: str, user_id: UUID | None = None
    ) -> bool:
        """Add a mail that anybody may have requested; False when the address got one of this kind within the interval.

        It does not look whether the address has an account, so that the statements, and their time, are the same for every
        address. The worker looks, and drops the mail when there is none.
        """
        return await self._enqueue_with_cooldown(db, kind, recipient=address, user_id=user_id)

    async def enqueue_registration(
        self,
        db: AsyncSession,
        kind: Literal["verify", "email_taken"],
        *,
        address: str,
        user_id: UUID | None,
    ) -> None:
        """Add the mail of a registration, also when mails were requested for the address before it had an account.

        Has its own cooldown, and starts the shared one, so that a second mail of this kind is still held back.
        """
        await repository.insert_mail_with_cooldown(
            db,
            kind,
            recipient=address,
            user_id=user_id,
            seed=secrets.token_bytes(SEED_BYTES),
            cooldown_key=self.codec.cooldown_key(f"registration {kind}", address),
            interval=self.interval,
        )
        await repository.start_cooldown(db, self.codec.cooldown_key(kind, address))

    async def enqueue_account_deleted(self, db: AsyncSession, *, address: str, username: str) -> None:
        """Add the mail about an account that this transaction deletes. It has no `user_id`: with one it would be deleted
        with the account."""
        await repository.insert_mail(
            db,
            "account_deleted",
            recipient=address,
            user_id=None,
            seed=secrets.token_bytes(SEED_BYTES),
            payload=username,
        )

    async def notify_owner(
        self, db: AsyncSession, kind: MailKind, *, address: str, user_id: UUID, payload: str | None = None
    ) -> None:
        """Tell the owner what happened to the account: at its address, and at the previous ones that it can revert to,
        since a thief may have set the present one.

        A verified address gets every such mail. An unverified one may belong to somebody else, so the cooldown of requested
        mails applies to it.
        """
        previous = await repository.find_previous_addresses(db, user_id, address=address)
        verified = await repository.find_verified_addresses(db, user_id)
        for recipient in (address, *previous):
            if recipient in verified:
                await self._enqueue(db, kind, recipient=recipient, user_id=user_id, payload=payload)
            else:
                await self._enqueue_with_cooldown(
                    db, kind, recipient=recipient, user_id=user_id, payload=payload
                )

    async def enqueue_revert(self, db: AsyncSession, *, address: str, user_id: UUID, new_address: str) -> str:
        """Add the mail to the address that is about to be replaced. Gives the hash of its link's token."""
        return await self._enqueue(
            db, "revert_email", recipient=address, user_id=user_id, payload=new_address
        )

    async def _enqueue(
        self, db: AsyncSession, kind: MailKind, *, recipient: str, user_id: UUID, payload: str | None
    ) -> str:
        seed = secrets.token_bytes(SEED_BYTES)
        mail_id = await repository.insert_mail(
            db, kind, recipient=recipient, user_id=user_id, seed=seed, payload=payload
        )
        return hash_token(self.codec.issue(mail_id, seed=seed))

    async def _enqueue_with_cooldown(
        self,
        db: AsyncSession,
        kind: MailKind,
        *,
        recipient: str,
        user_id: UUID | None,
        payload: str | None = None,
    ) -> bool:
        return await repository.insert_mail_with_cooldown(
            db,
            kind,
            recipient=recipient,
            user_id=user_id,
            seed=secrets.token_bytes(SEED_BYTES),
            cooldown_key=self.codec.cooldown_key(kind, recipient),
            interval=self.interval,
            payload=payload,
        )
