"""Customers, and what they are at Stripe."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import CITEXT, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import PrimaryKey
from payment.models.base import Model
from webcommon.accounts.provisioning.columns import UserColumns


class User(Model):
    """A customer, stored from an access token of Auth.

    `token_expires_at` is the expiry of the token that the e-mail address and the name come from: an older token changes
    neither.
    """

    __tablename__ = "users"

    id: Mapped[PrimaryKey]
    email: Mapped[str | None] = mapped_column(CITEXT(), unique=True)
    name: Mapped[str | None]
    stripe_customer_id: Mapped[str | None] = mapped_column(unique=True)
    token_expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StripeCustomer(Model):
    """A customer that was made, or is to be made, at Stripe: its id is part of the idempotency key, and `parameters` are
    all that Stripe is sent. A user has one that is not gone."""

    __tablename__ = "stripe_customers"
    __table_args__ = (
        Index("ix_stripe_customers_user_id", "user_id"),
        Index("uq_stripe_customers_live", "user_id", unique=True, postgresql_where=text("gone_at IS NULL")),
    )

    id: Mapped[PrimaryKey]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB())
    stripe_id: Mapped[str | None] = mapped_column(unique=True)
    gone_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


USER_COLUMNS = UserColumns(
    id=User.id,
    email=User.email,
    username=User.name,
    token_expires_at=User.token_expires_at,
    username_is_unique=False,
)
