"""How far videos were watched."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, false, func, text, true
from sqlalchemy.orm import Mapped, mapped_column

from videovault.models.base import Model, RowColumns, own_id


class WatchHistory(RowColumns, Model):
    """A viewing: how far a user watched a video in a session of a player, or in heartbeats that follow each other.

    Users are in Auth's database, so `user_id` has no foreign key; nor has `video_id`, since a deleted video may come back.
    `created_at` is the arrival of the first heartbeat.
    """

    __tablename__ = "watch_history"

    user_id: Mapped[UUID]
    video_id: Mapped[UUID] = mapped_column(index=True)
    session_id: Mapped[str] = mapped_column(server_default=text("(gen_random_uuid())::text"))
    is_named: Mapped[bool] = mapped_column(server_default=true())
    """Whether the player named the session. Without a name, heartbeats near the times of `seen_from` to `seen_until` are of it."""
    position_seconds: Mapped[int] = mapped_column(server_default=text("0"))
    completed: Mapped[bool] = mapped_column(server_default=false())
    completed_before: Mapped[bool] = mapped_column(server_default=false())
    """Whether it ever was."""
    watched_at: Mapped[datetime] = mapped_column(server_default=func.now())
    counted_at: Mapped[datetime] = mapped_column(server_default=func.now())
    """When the position last went on, by arrival: of a user's viewings of a video the last one counts."""
    seen_from: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_until: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("position_seconds >= 0", name="position_seconds_not_negative"),
        UniqueConstraint("user_id", "video_id", "session_id"),
        Index("ix_watch_history_user_id_watched_at_id", "user_id", "watched_at", "id"),
    )


def viewing_id(user_id: UUID, video_id: object, session_id: str) -> UUID:
    """The id of a viewing."""
    return own_id("viewing", user_id, video_id, session_id)
