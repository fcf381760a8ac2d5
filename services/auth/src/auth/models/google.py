"""The tables of a sign-in with Google, from its start to the exchange of its code."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from auth.models.base import Model


class OAuthState(Model):
    """A started sign-in: the hashes of its `state` and of its browser's cookie, and its return target, which is an app's address
    or the authorization request of a standard client."""

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
    authorization_request: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True), info={"secret": True}
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class OAuthCode(Model):
    """A one-time code, as a hash. It is exchanged for the tokens of a session that has begun, or for the MFA token of a sign-in
    that waits for its second factor. The MFA token is encrypted with a key that is derived from the code."""

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
