"""Players, and the counters that limit logins and registrations."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import CITEXT
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import PrimaryKey
from l2p.models.base import Model
from webcommon.accounts.provisioning.columns import UserColumns
from webcommon.accounts.throttling.table import AttemptCounterColumns

INITIAL_RATING = 1500


class User(Model):
    """A player. An account of Learn2Play has a password; one of Auth, stored from its access token, has none."""

    __tablename__ = "users"
    __table_args__ = (
        # A stale name from a token may be set to null; an account of Learn2Play keeps both names.
        CheckConstraint(
            "password_hash IS NULL OR (username IS NOT NULL AND email IS NOT NULL)",
            name="own_account_is_named",
        ),
        CheckConstraint("num_nonnulls(guest_lobby_id, nickname, nickname_key) IN (0, 3)", name="guest"),
        UniqueConstraint("email"),
        UniqueConstraint("username"),
        Index("uq_users_nickname", "guest_lobby_id", "nickname_key", unique=True),
    )

    id: Mapped[PrimaryKey]
    username: Mapped[str | None] = mapped_column(CITEXT)
    email: Mapped[str | None] = mapped_column(CITEXT)
    password_hash: Mapped[str | None]
    rating: Mapped[int] = mapped_column(server_default=text(str(INITIAL_RATING)))
    rating_mu: Mapped[float | None]
    """What `rating` is made from; null before the first rated game, and then `rating` says it."""
    rating_sigma: Mapped[float | None]
    is_guest: Mapped[bool] = mapped_column(server_default=text("false"))
    """A guest is not rated, and is on no leaderboard."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    token_expires_at: Mapped[datetime | None]
    """When the newest token expires whose names this row has; an older token changes nothing."""
    guest_lobby_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("lobbies.id", ondelete="CASCADE", use_alter=True)
    )
    """The one lobby of a guest, who has no account."""
    nickname: Mapped[str | None] = mapped_column(CITEXT)
    """A guest's name, which is unique in the lobby alone."""
    nickname_key: Mapped[str | None]
    """What all spellings of the nickname that look alike have in common."""


DISPLAY_NAME = func.coalesce(User.username, User.nickname)
"""A player's name as others see it."""

USER_COLUMNS = UserColumns(
    id=User.id,
    email=User.email,
    username=User.username,
    token_expires_at=User.token_expires_at,
    username_is_unique=True,
    is_local=User.password_hash.is_not(None) | User.guest_lobby_id.is_not(None),
)


class AttemptCounter(AttemptCounterColumns, Model):
    """Failed logins of an account, a device or a network, and sign-ups of a network."""
