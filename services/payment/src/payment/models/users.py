"""Customers."""

from datetime import datetime

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import CITEXT
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


USER_COLUMNS = UserColumns(
    id=User.id,
    email=User.email,
    username=User.name,
    token_expires_at=User.token_expires_at,
    username_is_unique=False,
)
