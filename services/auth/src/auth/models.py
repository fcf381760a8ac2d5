"""The tables of `auth_db`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, CITEXT, INET, JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from dbcommon.models import PrimaryKey, new_metadata
from webcommon.client_address import IPAddress
from webcommon.throttling.table import AttemptCounterColumns


class Model(DeclarativeBase):
    """Base of the tables."""

    metadata = new_metadata()
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class as it is
        str: Text(),
        bytes: LargeBinary(),
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONB(),
        list[str]: ARRAY(Text()),
    }


class User(Model):
    """An account. Without a password hash it is entered by another way only, such as Google.

    One that is withheld was registered with an address that `withheld_from` had, and holds its username and its password so
    that neither tells. In the place of that address, `withheld_email`, it has one that is nobody's. No session begins for it.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("username::text ~ '^[A-Za-z0-9_.-]{3,32}$'", name="username"),
        CheckConstraint("char_length(email::text) BETWEEN 3 AND 254", name="email"),
        CheckConstraint("roles <@ ARRAY['user', 'editor', 'admin']", name="roles"),
        CheckConstraint(
            "(withheld_from IS NULL) = (withheld_email IS NULL) AND (withheld_from IS NULL OR NOT email_verified)",
            name="withheld",
        ),
    )

    id: Mapped[PrimaryKey]
    email: Mapped[str] = mapped_column(CITEXT(), unique=True)
    password_hash: Mapped[str | None]
    username: Mapped[str] = mapped_column(CITEXT(), unique=True)
    email_verified: Mapped[bool] = mapped_column(server_default=text("false"))
    roles: Mapped[list[str]] = mapped_column(server_default=text("'{user}'"))
    disabled_at: Mapped[datetime | None]
    withheld_from: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    withheld_email: Mapped[str | None] = mapped_column(CITEXT(), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class Session(Model):
    """A sign-in that lasts. Of its refresh tokens the table knows the current one's number and hash, never a usable one."""

    __tablename__ = "sessions"
    __table_args__ = (
        CheckConstraint("generation >= 0", name="generation"),
        CheckConstraint(
            "end_reason IN ('logout', 'reuse', 'ended', 'password_changed', 'password_reset', 'email_changed',"
            " 'account_disabled', 'account_linked', 'administrator')",
            name="end_reason",
        ),
        CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="ended"),
        CheckConstraint("method IN ('password', 'google', 'passkey')", name="method"),
        CheckConstraint("char_length(user_agent) <= 512", name="user_agent"),
        CheckConstraint("char_length(client_id) BETWEEN 1 AND 128", name="client_id"),
        CheckConstraint("char_length(scope) BETWEEN 1 AND 256", name="scope"),
        Index("ix_sessions_expires_at", "expires_at"),
        Index("ix_sessions_ended_at", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
    )

    id: Mapped[PrimaryKey]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    refresh_token: Mapped[str] = mapped_column(unique=True)
    refresh_seed: Mapped[bytes]
    generation: Mapped[int] = mapped_column(server_default=text("0"))
    rotated_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]
    ip: Mapped[IPAddress | None] = mapped_column(INET())
    user_agent: Mapped[str | None]
    method: Mapped[str] = mapped_column(server_default=text("'password'"))
    client_id: Mapped[str] = mapped_column(server_default=text("'quartet'"))
    scope: Mapped[str] = mapped_column(server_default=text("'openid profile email'"))


class Revocation(Model):
    """A session that ended, for as long as its access tokens would still be good. Written by triggers on `sessions`."""

    __tablename__ = "revocations"
    __table_args__ = (Index("ix_revocations_ended_at", "ended_at"),)

    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    ended_at: Mapped[datetime] = mapped_column(server_default=func.now())


class OAuthAccount(Model):
    """Another party's account that its owner may sign in with. Its token is encrypted, and wiped once it has expired."""

    __tablename__ = "oauth_accounts"
    __table_args__ = (
        CheckConstraint("provider IN ('google')", name="provider"),
        UniqueConstraint("provider", "provider_account_id"),
    )

    id: Mapped[PrimaryKey]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    provider: Mapped[str]
    provider_account_id: Mapped[str]
    access_token: Mapped[str | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SigningKey(Model):
    """A key of access tokens: published from `created_at` to `expires_at`, signing from `active_from` to `retired_at`.

    `rotate_at` asks for a successor before the key's age does.
    """

    __tablename__ = "signing_keys"
    __table_args__ = (
        CheckConstraint("active_from >= created_at", name="active_from"),
        CheckConstraint("retired_at >= active_from", name="retired_at"),
        CheckConstraint("expires_at >= retired_at", name="expires_at"),
    )

    kid: Mapped[str] = mapped_column(primary_key=True)
    public_jwk: Mapped[dict[str, Any]]
    private_key: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    active_from: Mapped[datetime] = mapped_column(server_default=func.now())
    retired_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    rotate_at: Mapped[datetime | None]


class AttemptCounter(AttemptCounterColumns, Model):
    """Failed logins of an account, a device or a network, and sign-ups of a network."""


class AuditEvent(Model):
    """What happened to an account: ids and no personal data. Append-only, and without foreign keys, so that the history
    outlives what it tells of. `actor_id` is who did it, where that was not the account's owner."""

    __tablename__ = "audit_events"
    __table_args__ = (
        CheckConstraint(
            "event IN ('register', 'register_taken_email', 'login', 'logout', 'refresh_token_reuse', 'login_failed',"
            " 'session_ended', 'password_changed', 'password_reset_requested', 'password_reset',"
            " 'email_change_requested', 'email_changed', 'email_change_undone', 'email_verified', 'username_changed',"
            " 'account_disabled', 'account_enabled', 'account_deleted', 'mfa_enabled', 'mfa_disabled',"
            " 'recovery_code_used', 'passkey_added', 'passkey_removed', 'oauth_linked', 'oauth_unlinked',"
            " 'keys_rotated', 'recovery_codes_replaced', 'password_voided', 'role_granted', 'role_revoked')",
            name="event",
        ),
        Index("ix_audit_events_user_id", "user_id", "id"),
    )

    id: Mapped[PrimaryKey]
    user_id: Mapped[UUID | None]
    session_id: Mapped[UUID | None]
    actor_id: Mapped[UUID | None]
    event: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Mail(Model):
    """A mail that waits, was sent, or was given up. The text is written when it is sent; of a link only a seed waits here,
    and that is wiped with the details once the mail is gone. `user_id` is unknown while only an address was given, and of
    the mail about an account that was deleted, whose row goes once it was sent."""

    __tablename__ = "mails"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('verify', 'reset', 'change_email', 'undo_email', 'email_taken', 'refresh_token_reuse',"
            " 'password_changed', 'password_reset', 'mfa_enabled', 'mfa_disabled', 'recovery_codes_replaced',"
            " 'recovery_code_used', 'passkey_added', 'passkey_removed', 'oauth_linked', 'oauth_unlinked',"
            " 'account_deleted')",
            name="kind",
        ),
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
        CheckConstraint("kind IN ('verify', 'reset', 'change_email', 'undo_email')", name="kind"),
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
