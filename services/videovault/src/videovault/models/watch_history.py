"""How far videos were watched."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, false, func, text
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import PrimaryKey
from videovault.models.base import Model


class WatchHistory(Model):
    """How far a user watched a video, a row for each viewing. Users are in Auth's database, so `user_id` has no foreign key."""

    __tablename__ = "watch_history"

    id: Mapped[PrimaryKey]
    video_id: Mapped[UUID] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[UUID]
    position_seconds: Mapped[int] = mapped_column(server_default=text("0"))
    completed: Mapped[bool] = mapped_column(server_default=false())
    watched_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (CheckConstraint("position_seconds >= 0", name="position_seconds_not_negative"),)
