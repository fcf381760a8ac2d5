"""The tables of mails, and of the links in them."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import CITEXT
from sqlalchemy.orm import Mapped, mapped_column

from auth.models.base import Model
from dbcommon.models import PrimaryKey, one_of

LinkKind = Literal["verify", "reset", "change_email", "revert_email"]
"""Kinds of mails that have a link."""

MailKind = Literal[
    "verify",
    "reset",
    "change_email",
    "revert_email",
    "email_taken",
    "refresh_token_reuse",
    "password_changed",
    "password_reset",
    "mfa_enabled",
    "mfa_disabled",
    "recovery_codes_replaced",
    "recovery_code_used",
    "passkey_added",
    "passkey_removed",
    "oauth_linked",
    "oauth_unlinked",
    "account_deleted",
]


class Mail(Model):
    """A mail that is pending, was sent, or has failed. Its text is written when it is sent. Seed and payload, of which link
    and text are made, are deleted once it was sent or has failed. `user_id` is NULL while only an address is known, and for
    the mail about a deleted account, whose row is deleted once it was sent."""

    __tablename__ = "mails"
    __table_args__ = (
        CheckConstraint(one_of("kind", MailKind), name="kind"),
        CheckConstraint("attempts >= 0", name="attempts"),
        CheckConstraint("sent_at IS NULL OR failed_at IS NULL", name="end"),
        CheckConstraint("(seed IS NULL) = (sent_at IS NOT NULL OR failed_at IS NOT NULL)", name="seed"),
        Index(
            "ix_mails_next_attempt_at",
            "next_attempt_at",
            postgresql_where=text("sent_at IS NULL AND failed_at IS NULL"),
        ),
        Index("ix_mails_created_at", "created_at"),
        Index("ix_mails_recipient_kind", "recipient", "kind"),
    )

    id: Mapped[PrimaryKey]
    kind: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    recipient: Mapped[str] = mapped_column(CITEXT())
    payload: Mapped[str | None] = mapped_column(info={"secret": True})
    seed: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=func.now())
    sent_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]


class MailCooldown(Model):
    """When the last mail of a kind was added for an address. The key is an HMAC of both. Swept after the interval."""

    __tablename__ = "mail_cooldowns"

    key: Mapped[bytes] = mapped_column(primary_key=True)
    started_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class EmailToken(Model):
    """The token of a link in a mail, as a hash. A user has one token of each kind, which a new one replaces, but any number
    of `revert_email`: the next change must not void the link that reverts the last one. `was_verified`: whether the previous
    address was verified."""

    __tablename__ = "email_tokens"
    __table_args__ = (
        CheckConstraint(one_of("kind", LinkKind), name="kind"),
        CheckConstraint("expires_at > created_at", name="expires_at"),
        Index(
            "ix_email_tokens_one_of_a_kind",
            "user_id",
            "kind",
            unique=True,
            postgresql_where=text("kind <> 'revert_email'"),
        ),
        Index("ix_email_tokens_revert", "email", postgresql_where=text("kind = 'revert_email'")),
    )

    id: Mapped[PrimaryKey]
    kind: Mapped[str]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str] = mapped_column(CITEXT())
    was_verified: Mapped[bool] = mapped_column(server_default=true())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
