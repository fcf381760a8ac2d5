"""The tables of accounts, of the providers' accounts that are linked to them, and of attempt counters.

`OAuthAccount` is here, not in `models/google.py`: one table holds the links of all providers, and they count as sign-in methods
of the account."""

from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import CITEXT
from sqlalchemy.orm import Mapped, mapped_column

from auth.models.base import Model
from dbcommon.models import PrimaryKey, one_of
from webcommon.accounts.throttling.table import AttemptCounterColumns

Role = Literal["user", "editor", "admin"]
"""What an account may do, which its access tokens say."""

Provider = Literal["google"]
"""Identity providers. Each provider's `repository.py` filters its statements by its own."""


class User(Model):
    """An account. Without a password hash it has other sign-in methods, such as Google.

    A shadow account was registered with the address of the account `shadow_of`. It keeps a username and a password, so that
    neither reveals that the address was taken. `shadow_email` is that address; `email` is a random one that nobody has. No
    session begins for it.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("username::text ~ '^[A-Za-z0-9_.-]{3,32}$'", name="username"),
        CheckConstraint("char_length(email::text) BETWEEN 3 AND 254", name="email"),
        CheckConstraint(f"roles <@ ARRAY{list(get_args(Role))}", name="roles"),
        CheckConstraint(
            "(shadow_of IS NULL) = (shadow_email IS NULL) AND (shadow_of IS NULL OR NOT email_verified)",
            name="shadow",
        ),
    )

    id: Mapped[PrimaryKey]
    email: Mapped[str] = mapped_column(CITEXT(), unique=True)
    password_hash: Mapped[str | None]
    username: Mapped[str] = mapped_column(CITEXT(), unique=True)
    email_verified: Mapped[bool] = mapped_column(server_default=text("false"))
    roles: Mapped[list[str]] = mapped_column(server_default=text("'{user}'"))
    disabled_at: Mapped[datetime | None]
    shadow_of: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    shadow_email: Mapped[str | None] = mapped_column(CITEXT(), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class OAuthAccount(Model):
    """An account at an identity provider that signs its owner in. Its token is encrypted, and deleted once it has expired."""

    __tablename__ = "oauth_accounts"
    __table_args__ = (
        CheckConstraint(one_of("provider", Provider), name="provider"),
        UniqueConstraint("provider", "provider_account_id"),
    )

    id: Mapped[PrimaryKey]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    provider: Mapped[str]
    provider_account_id: Mapped[str]
    access_token: Mapped[str | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class AttemptCounter(AttemptCounterColumns, Model):
    """Failed logins by account, device and network, and sign-ups by network."""
