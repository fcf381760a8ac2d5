"""Putting mails into the outbox, in the transaction of the change that they tell of."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.mail import email_tokens, repository
from auth.mail.link_tokens import SEED_BYTES, LinkTokenCodec, hash_link_token
from auth.models.mail import MailKind


@dataclass(frozen=True, kw_only=True)
class Outbox:
    """Writes mails down. `interval`: at most one mail of a kind that anybody may ask for goes to an address in it."""

    codec: LinkTokenCodec
    interval: timedelta

    async def ask(
        self, db: AsyncSession, kind: MailKind, *, address: str, user_id: UUID | None = None
    ) -> bool:
        """A mail that a stranger may have asked for; whether it is the first within the interval.

        Nobody looks here whether the address has an account: the worker does, and drops the mail when it has none. So
        the statements, and their time, are the same for every address.
        """
        return await self._put_through_gate(db, kind, recipient=address, user_id=user_id)

    async def greet(
        self,
        db: AsyncSession,
        kind: Literal["verify", "email_taken"],
        *,
        address: str,
        user_id: UUID | None,
    ) -> None:
        """The mail of a registration, whatever strangers have asked to be sent to the address before it had an account.

        It passes a gate of its own and closes the common one, so that two of a kind still do not follow each other.
        """
        await repository.insert_mail_through_gate(
            db,
            kind,
            recipient=address,
            user_id=user_id,
            seed=secrets.token_bytes(SEED_BYTES),
            gate_key=self.codec.gate_key(f"registration {kind}", address),
            interval=self.interval,
        )
        await repository.close_gate(db, self.codec.gate_key(kind, address))

    async def take_leave(self, db: AsyncSession, *, address: str, username: str) -> None:
        """The mail about an account that is deleted in this transaction. It is nobody's, or it would go with the account."""
        await repository.insert_mail(
            db,
            "account_deleted",
            recipient=address,
            user_id=None,
            seed=secrets.token_bytes(SEED_BYTES),
            detail=username,
        )

    async def tell(
        self, db: AsyncSession, kind: MailKind, *, address: str, user_id: UUID, detail: str | None = None
    ) -> None:
        """A mail to the owner about what happened: to the account's address, and to those that can take it back, since
        the new one may be that of whoever did it.

        An address that nobody has proven may be a bystander's, at whom the account is pointed: of a kind it gets no more
        than what anybody may ask for. An owner hears of everything, however soon one thing follows another like it.
        """
        left = await email_tokens.find_left_addresses(db, user_id, address=address)
        proven = await email_tokens.find_proven_addresses(db, user_id)
        for recipient in (address, *left):
            if recipient in proven:
                await self._put(db, kind, recipient=recipient, user_id=user_id, detail=detail)
            else:
                await self._put_through_gate(db, kind, recipient=recipient, user_id=user_id, detail=detail)

    async def offer_undo(self, db: AsyncSession, *, address: str, user_id: UUID, new_address: str) -> str:
        """A mail to the address that is about to be left. Gives the hash of the token that its link will have."""
        return await self._put(db, "undo_email", recipient=address, user_id=user_id, detail=new_address)

    async def _put(
        self, db: AsyncSession, kind: MailKind, *, recipient: str, user_id: UUID, detail: str | None
    ) -> str:
        seed = secrets.token_bytes(SEED_BYTES)
        mail_id = await repository.insert_mail(
            db, kind, recipient=recipient, user_id=user_id, seed=seed, detail=detail
        )
        return hash_link_token(self.codec.issue(mail_id, seed=seed))

    async def _put_through_gate(
        self,
        db: AsyncSession,
        kind: MailKind,
        *,
        recipient: str,
        user_id: UUID | None,
        detail: str | None = None,
    ) -> bool:
        return await repository.insert_mail_through_gate(
            db,
            kind,
            recipient=recipient,
            user_id=user_id,
            seed=secrets.token_bytes(SEED_BYTES),
            gate_key=self.codec.gate_key(kind, recipient),
            interval=self.interval,
            detail=detail,
        )
