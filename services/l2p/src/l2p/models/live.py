"""The log of each lobby, and who is connected to it through which process."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from l2p.models.base import Model


class LobbyEvent(Model):
    """A change of a lobby, written in the transaction of the change. `seq` has no gaps within a lobby."""

    __tablename__ = "lobby_events"
    __table_args__ = (
        # Where the log of the current question begins.
        Index(
            "idx_lobby_events_opened", "lobby_id", "seq", postgresql_where=text("type = 'question.opened'")
        ),
    )

    lobby_id: Mapped[UUID] = mapped_column(ForeignKey("lobbies.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    type: Mapped[str]
    data: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Process(Model):
    """A running process. Without a recent heartbeat its connections do not count."""

    __tablename__ = "processes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    heartbeat_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class LobbyConnection(Model):
    """A user who has open sockets or event streams of a lobby at a process."""

    __tablename__ = "lobby_connections"
    __table_args__ = (
        Index("idx_lobby_connections_lobby", "lobby_id", "user_id"),
        Index("idx_lobby_connections_user", "user_id"),
    )

    process_id: Mapped[UUID] = mapped_column(ForeignKey("processes.id", ondelete="CASCADE"), primary_key=True)
    lobby_id: Mapped[UUID] = mapped_column(ForeignKey("lobbies.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    connected_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
