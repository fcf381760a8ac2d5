"""The tables of second factors."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, false, func
from sqlalchemy.orm import Mapped, mapped_column

from auth.models.base import Model
from dbcommon.models import one_of

FirstFactor = Literal["password", "google"]
"""The sign-in methods that need a second factor; a passkey counts as two."""


class TotpSecret(Model):
    """The encrypted secret of an authenticator app. It has no effect until it is confirmed.

    Codes of `last_step` and of earlier steps are refused, so that each works once. `confirmed_by` is the session that
    confirmed it; not a foreign key, since that session may be deleted. `needs_reverification`: the owner of the address took
    the account over by a password reset, and no code was verified since.
    """

    __tablename__ = "totp_secrets"
    __table_args__ = (
        CheckConstraint(
            "(confirmed_at IS NULL) = (last_step IS NULL) AND (confirmed_at IS NULL) = (confirmed_by IS NULL)",
            name="confirmed_at",
        ),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    secret: Mapped[bytes]
    last_step: Mapped[int | None] = mapped_column(BigInteger())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    confirmed_at: Mapped[datetime | None]
    confirmed_by: Mapped[UUID | None]
    needs_reverification: Mapped[bool] = mapped_column(server_default=false())


class RecoveryCode(Model):
    """A code that replaces one of the app once, stored as a keyed hash. Deleted with the secret."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("totp_secrets.user_id", ondelete="CASCADE"), primary_key=True
    )
    code_hash: Mapped[bytes] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    used_at: Mapped[datetime | None]


class LoginChallenge(Model):
    """A sign-in whose first factor is verified and whose second is awaited; stored by the hash of its token."""

    __tablename__ = "login_challenges"
    __table_args__ = (
        CheckConstraint(one_of("amr", FirstFactor), name="amr"),
        CheckConstraint("char_length(client_id) BETWEEN 1 AND 128", name="client_id"),
        CheckConstraint("char_length(scope) BETWEEN 1 AND 256", name="scope"),
        CheckConstraint("expires_at > created_at", name="expires_at"),
    )

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    amr: Mapped[str]
    client_id: Mapped[str]
    scope: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)
