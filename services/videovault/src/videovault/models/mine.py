"""What videos are to a user."""

from uuid import UUID

from sqlalchemy import CheckConstraint, SmallInteger, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from videovault.models.base import Model, RowColumns, own_id


class Mine(RowColumns, Model):
    """A user's own favourite and rating. Its id is `mine_id`. There is no foreign key: the row outlives the video, which may
    come back."""

    __tablename__ = "mine"

    user_id: Mapped[UUID]
    video_id: Mapped[UUID]
    favourite: Mapped[bool] = mapped_column(server_default=false())
    rating: Mapped[int | None] = mapped_column(SmallInteger)

    __table_args__ = (
        UniqueConstraint("user_id", "video_id"),
        CheckConstraint("rating BETWEEN 0 AND 10", name="rating"),
    )


def mine_id(user_id: UUID, video_id: object) -> UUID:
    """The id of a user's row of a video: devices that make it apart make the same."""
    return own_id("mine", user_id, video_id)
