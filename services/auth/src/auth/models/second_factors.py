"""The tables of second factors."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, false, func
from sqlalchemy.orm import Mapped, mapped_column

from auth.models.base import Model
from dbcommon.models import one_of

FirstFactor = Literal["password", "google"]
"""After these a second factor is asked for; a passkey is two by itself."""


class TotpSecret(Model):
    """What an account's app makes its codes from, encrypted. Until it is confirmed it guards nothing.

    No code of `last_step` or of an earlier one is accepted any more: each works once. `confirmed_by` is the session in
    which it was confirmed; no foreign key, since it may be long gone. One that is `needs_reverification` was there when the owner of the
    account's address took the account over by a new password, and no code of it was given since.
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
    """A code that stands in for the app once, known by a keyed hash. It goes with the secret that it stands in for."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("totp_secrets.user_id", ondelete="CASCADE"), primary_key=True
    )
    code_hash: Mapped[bytes] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    used_at: Mapped[datetime | None]


class LoginChallenge(Model):
    """A sign-in whose first factor is proven and whose second is asked for, known by its token's hash."""

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
