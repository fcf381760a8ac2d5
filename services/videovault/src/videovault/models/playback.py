"""The sessions of Auth whose users have playback URLs."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from videovault.models.base import Model


class PlaybackSession(Model):
    """A session whose playback URLs are good, the last of them until `expires_at`. It was known not to have ended at
    `checked_at`. The row goes when the session ends."""

    __tablename__ = "playback_sessions"

    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]
    checked_at: Mapped[datetime] = mapped_column(server_default=func.now())
