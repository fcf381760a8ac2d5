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

LinkKind = Literal["verify", "reset", "change_email", "undo_email"]
"""The mails with a link that does something."""

MailKind = Literal[
    "verify",
    "reset",
    "change_email",
    "undo_email",
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
    """A mail that waits, was sent, or was given up. The text is written when it is sent; of a link only a seed waits here,
    and that is wiped with the details once the mail is gone. `user_id` is unknown while only an address was given, and of
    the mail about an account that was deleted, whose row goes once it was sent."""

    __tablename__ = "mails"
    __table_args__ = (
        CheckConstraint(one_of("kind", MailKind), name="kind"),
        CheckConstraint("attempts >= 0", name="attempts"),
        CheckConstraint("sent_at IS NULL OR dead_at IS NULL", name="end"),
        CheckConstraint("(seed IS NULL) = (sent_at IS NOT NULL OR dead_at IS NOT NULL)", name="seed"),
        Index(
            "ix_mails_next_attempt_at",
            "next_attempt_at",
            postgresql_where=text("sent_at IS NULL AND dead_at IS NULL"),
        ),
        Index("ix_mails_created_at", "created_at"),
        Index("ix_mails_recipient_kind", "recipient", "kind"),
    )

    id: Mapped[PrimaryKey]
    kind: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    recipient: Mapped[str] = mapped_column(CITEXT())
    detail: Mapped[str | None]
    seed: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=func.now())
    sent_at: Mapped[datetime | None]
    dead_at: Mapped[datetime | None]


class MailGate(Model):
    """When an address was last sent a mail of one kind; the key hides both. Rows are of the last minute or so."""

    __tablename__ = "mail_gates"

    key: Mapped[bytes] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class EmailToken(Model):
    """A link in a mail, known by its token's hash. A user has one of each kind, a new one taking the old one's place, but
    of `undo_email` one for each address that was left, since the next change must not void the way back from the last;
    `was_proven`: whether that address had been confirmed when it was left."""

    __tablename__ = "email_tokens"
    __table_args__ = (
        CheckConstraint(one_of("kind", LinkKind), name="kind"),
        CheckConstraint("expires_at > created_at", name="expires_at"),
        Index(
            "ix_email_tokens_one_of_a_kind",
            "user_id",
            "kind",
            unique=True,
            postgresql_where=text("kind <> 'undo_email'"),
        ),
        Index("ix_email_tokens_undo", "email", postgresql_where=text("kind = 'undo_email'")),
    )

    id: Mapped[PrimaryKey]
    kind: Mapped[str]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str] = mapped_column(CITEXT())
    was_proven: Mapped[bool] = mapped_column(server_default=true())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
