"""The tables of a sign-in with Google, from its beginning to the exchange of its code."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from auth.models.base import Model


class OAuthState(Model):
    """A sign-in that was begun, known by the hashes of its `state` and of the cookie of the browser that began it. It leads
    to an app's address, or to a standard client, whose request is kept as the sign-in page had it."""

    __tablename__ = "oauth_states"
    __table_args__ = (
        CheckConstraint("char_length(redirect_to) BETWEEN 1 AND 2048", name="redirect_to"),
        CheckConstraint("char_length(code_challenge) = 43", name="code_challenge"),
        CheckConstraint("expires_at > created_at", name="expires_at"),
        CheckConstraint("(redirect_to IS NULL) <> (authorization_request IS NULL)", name="leads_to"),
    )

    state_hash: Mapped[str] = mapped_column(primary_key=True)
    browser_hash: Mapped[str]
    redirect_to: Mapped[str | None]
    code_challenge: Mapped[str | None]
    authorization_request: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class OAuthCode(Model):
    """A code of one use, known by its hash. It stands for a session that has begun and was not handed out yet, or, where
    the account has a second factor, for the token that goes with that: encrypted under a key that only the code makes."""

    __tablename__ = "oauth_codes"
    __table_args__ = (
        CheckConstraint("char_length(code_challenge) = 43", name="code_challenge"),
        CheckConstraint("expires_at > created_at", name="expires_at"),
        CheckConstraint("(session_id IS NULL) <> (sealed_factor_token IS NULL)", name="stands_for"),
    )

    code_hash: Mapped[str] = mapped_column(primary_key=True)
    session_id: Mapped[UUID | None] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    sealed_factor_token: Mapped[bytes | None]
    code_challenge: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
