"""The log of each lobby, and who is connected to it through which process."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
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
    opened_at: Mapped[list[datetime]] = mapped_column(
        ARRAY(TIMESTAMP(timezone=True)), server_default=text("'{}'")
    )
    """The time of each of them, which no other of the same row has."""


class LobbyPresence(Model):
    """Whether a player or host of a lobby is connected, as the log told last, and when they were seen."""

    __tablename__ = "lobby_presence"
    __table_args__ = (
        Index("idx_lobby_presence_user", "user_id"),
        Index("idx_lobby_presence_connected", "lobby_id", postgresql_where=text("is_connected")),
    )

    lobby_id: Mapped[UUID] = mapped_column(ForeignKey("lobbies.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    is_connected: Mapped[bool] = mapped_column(server_default=text("false"))
    seen_until: Mapped[datetime | None]
    """A request over HTTP counts as a connection until then."""
    left_at: Mapped[datetime | None]
    """When the last socket or event stream was closed."""


class Upkeep(Model):
    """The one row that says when the lobbies were last looked after. Time in which no process did is no absence."""

    __tablename__ = "upkeep"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    done_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
