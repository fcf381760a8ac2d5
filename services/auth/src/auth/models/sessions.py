"""The tables of sessions, revocations and signing keys."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from auth.models.base import Model
from dbcommon.models import PrimaryKey, one_of
from webcommon.client_address import IPAddress

EndReason = Literal[
    "logout",
    "reuse",
    "ended",
    "password_changed",
    "password_reset",
    "email_changed",
    "account_disabled",
    "account_linked",
    "administrator",
]


AuthenticationMethod = Literal["password", "google", "passkey"]
"""The values of `amr`: how the user signed in."""


class Session(Model):
    """A session of an account. Of its refresh tokens it has the current one's counter and hash, never a usable token."""

    __tablename__ = "sessions"
    __table_args__ = (
        CheckConstraint("refresh_token_counter >= 0", name="refresh_token_counter"),
        CheckConstraint(one_of("end_reason", EndReason), name="end_reason"),
        CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="ended"),
        CheckConstraint(one_of("amr", AuthenticationMethod), name="amr"),
        CheckConstraint("char_length(user_agent) <= 512", name="user_agent"),
        CheckConstraint("char_length(client_id) BETWEEN 1 AND 128", name="client_id"),
        CheckConstraint("char_length(scope) BETWEEN 1 AND 256", name="scope"),
        Index("ix_sessions_expires_at", "expires_at"),
        Index("ix_sessions_ended_at", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
    )

    id: Mapped[PrimaryKey]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    refresh_token: Mapped[str] = mapped_column(unique=True)
    refresh_token_hmac_key: Mapped[bytes]
    refresh_token_counter: Mapped[int] = mapped_column(server_default=text("0"))
    rotated_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]
    ip: Mapped[IPAddress | None] = mapped_column(INET())
    user_agent: Mapped[str | None]
    amr: Mapped[str] = mapped_column(server_default=text("'password'"))
    client_id: Mapped[str] = mapped_column(server_default=text("'quartet'"))
    scope: Mapped[str] = mapped_column(server_default=text("'openid profile email'"))


class Revocation(Model):
    """An ended session, kept while its access tokens would still be valid. Written by triggers on `sessions`."""

    __tablename__ = "revocations"
    __table_args__ = (Index("ix_revocations_ended_at", "ended_at"),)

    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    ended_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SigningKey(Model):
    """A key for access tokens: published from `created_at` to `expires_at`, signing from `active_from` to `retired_at`.

    From `rotate_at` on it needs a successor, whatever its age.
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
