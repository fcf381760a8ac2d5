"""Lobbies, their seats, and guesses at their codes."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import PrimaryKey, one_of
from l2p.models.base import Model

LobbyStatus = Literal["waiting", "in_game", "closed"]


IS_PUBLIC = text("(NOT settings @> '{\"is_private\": true}'::jsonb)")
"""Shared by the queries and the index, which is used only while both have the same expression."""


class Lobby(Model):
    """A room where players gather. It outlives its games."""

    __tablename__ = "lobbies"
    __table_args__ = (
        CheckConstraint("max_players BETWEEN 1 AND 500", name="max_players"),
        CheckConstraint(one_of("status", LobbyStatus), name="status"),
        # The code of a closed lobby may be used again.
        Index("uq_lobbies_code", "code", unique=True, postgresql_where=text("status <> 'closed'")),
        Index("idx_lobbies_status", "status", IS_PUBLIC, "created_at", "id"),
        Index("idx_lobbies_creator", "creator_id"),
        Index("idx_lobbies_host", "host_id"),
        Index("idx_lobbies_name", "name", postgresql_using="gin", postgresql_ops={"name": "gin_trgm_ops"}),
    )

    id: Mapped[PrimaryKey]
    creator_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    host_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    name: Mapped[str]
    code: Mapped[str | None]
    max_players: Mapped[int] = mapped_column(server_default=text("8"))
    status: Mapped[str] = mapped_column(server_default=text("'waiting'"))
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    closed_at: Mapped[datetime | None]
    stream: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    """Names this log. A restored database gets new ones, since its `event_seq` runs backwards."""
    event_seq: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """The `seq` of the lobby's newest event."""


class LobbyPlayer(Model):
    """A seat that is taken now. Leaving the lobby deletes the row."""

    __tablename__ = "lobby_players"
    __table_args__ = (UniqueConstraint("lobby_id", "user_id"), Index("idx_lobby_players_user", "user_id"))

    id: Mapped[PrimaryKey]
    lobby_id: Mapped[UUID] = mapped_column(ForeignKey("lobbies.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    is_ready: Mapped[bool] = mapped_column(server_default=text("false"))
    joined_at: Mapped[datetime] = mapped_column(server_default=func.now())


class LobbyBan(Model):
    """A player whom the host put out of a lobby for good."""

    __tablename__ = "lobby_bans"
    __table_args__ = (Index("idx_lobby_bans_user", "user_id"),)

    lobby_id: Mapped[UUID] = mapped_column(ForeignKey("lobbies.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    banned_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class CodeGuesses(Model):
    """The times of a player's recent wrong lobby codes."""

    __tablename__ = "code_guesses"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    guessed_at: Mapped[list[datetime]] = mapped_column(ARRAY(TIMESTAMP(timezone=True)))
