"""The table of authorization codes."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from auth.models.base import Model


class AuthorizationCode(Model):
    """A code that a client exchanges for the tokens of a session, as a hash. The session has begun already, so that ending it
    voids the code; it has the code's `client_id` and `scope`."""

    __tablename__ = "authorization_codes"
    __table_args__ = (
        CheckConstraint("expires_at > created_at", name="expires_at"),
        CheckConstraint("char_length(code_challenge) = 43", name="code_challenge"),
    )

    code_hash: Mapped[str] = mapped_column(primary_key=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    redirect_uri: Mapped[str]
    code_challenge: Mapped[str]
    nonce: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
