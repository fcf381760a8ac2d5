"""Saved filters and playlists, which are a user's own."""

from typing import Any
from uuid import UUID

from sqlalchemy import Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from videovault.models.base import Model, RowColumns, own_id


class SavedFilter(RowColumns, Model):
    """A list of videos by its name; `query` has the parameters of the list."""

    __tablename__ = "saved_filters"

    user_id: Mapped[UUID]
    name: Mapped[str]
    query: Mapped[dict[str, Any]] = mapped_column(JSONB)

    __table_args__ = (Index("ix_saved_filters_user_id_created_at_id", "user_id", "created_at", "id"),)


class Playlist(RowColumns, Model):
    """Videos in an order of a user's own."""

    __tablename__ = "playlists"

    user_id: Mapped[UUID]
    name: Mapped[str]

    __table_args__ = (Index("ix_playlists_user_id_created_at_id", "user_id", "created_at", "id"),)


class PlaylistItem(RowColumns, Model):
    """A video in a playlist, at a position (`playlists.positions`). Both may be deleted and come back."""

    __tablename__ = "playlist_items"

    user_id: Mapped[UUID] = mapped_column(index=True)
    playlist_id: Mapped[UUID]
    video_id: Mapped[UUID]
    position: Mapped[str] = mapped_column(Text(collation="C"))

    __table_args__ = (Index("ix_playlist_items_playlist_id_position_id", "playlist_id", "position", "id"),)


def watch_later_id(user_id: UUID) -> UUID:
    """The id of the playlist that a user always has."""
    return own_id("playlist", user_id, "watch-later")


def item_id(user_id: UUID, playlist_id: object, video_id: object) -> UUID:
    """The id of a video in a playlist, in which it is once."""
    return own_id("playlist_item", user_id, playlist_id, video_id)
