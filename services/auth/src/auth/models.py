"""The tables of `auth_db`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY, CITEXT, JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from dbcommon.models import PrimaryKey, new_metadata


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
    """An account. Without a password hash it is entered by another way only, such as Google."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("username::text ~ '^[A-Za-z0-9_.-]{3,32}$'", name="username"),
        CheckConstraint("char_length(email::text) BETWEEN 3 AND 254", name="email"),
        CheckConstraint("roles <@ ARRAY['user', 'editor', 'admin']", name="roles"),
    )

    id: Mapped[PrimaryKey]
    email: Mapped[str] = mapped_column(CITEXT(), unique=True)
    password_hash: Mapped[str | None]
    username: Mapped[str] = mapped_column(CITEXT(), unique=True)
    email_verified: Mapped[bool] = mapped_column(server_default=text("false"))
    roles: Mapped[list[str]] = mapped_column(server_default=text("'{user}'"))
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class Session(Model):
    """A sign-in that lasts. Of its refresh tokens the table knows the current one's number and hash, never a usable one."""

    __tablename__ = "sessions"
    __table_args__ = (
        CheckConstraint("generation >= 0", name="generation"),
        CheckConstraint("end_reason IN ('logout', 'reuse')", name="end_reason"),
        CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="ended"),
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


class OAuthAccount(Model):
    """Another party's account that its owner may sign in with."""

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


class SigningKey(Model):
    """A key of access tokens: published from `created_at` to `expires_at`, signing from `active_from` to `retired_at`."""

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


class AuditEvent(Model):
    """What happened to an account: ids and no personal data. Append-only, and without foreign keys, so that the history
    outlives what it tells of."""

    __tablename__ = "audit_events"
    __table_args__ = (
        CheckConstraint(
            "event IN ('register', 'register_taken_email', 'login', 'logout', 'refresh_token_reuse')",
            name="event",
        ),
    )

    id: Mapped[PrimaryKey]
    user_id: Mapped[UUID | None]
    session_id: Mapped[UUID | None]
    event: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
