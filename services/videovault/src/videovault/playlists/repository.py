"""The statements on playlists and their items."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Text, bindparam, case, collate, func, literal_column, null, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_timestamp, prepare_page
from dbcommon.models import new_id
from dbcommon.rows import AnyRow
from videovault.models import Playlist, PlaylistItem, Video, item_id, watch_later_id
from videovault.videos.repository import VIDEO_OBJECT

_COUNT = (
    select(func.count())
    .where(PlaylistItem.playlist_id == Playlist.id, PlaylistItem.user_id == Playlist.user_id)
    .scalar_subquery()
)
_PLAYLISTS = (
    select(
        json_item(
            id=Playlist.id,
            name=Playlist.name,
            is_watch_later=Playlist.id == bindparam("watch_later_id"),
            items=_COUNT,
            created_at=json_timestamp(Playlist.created_at),
        ),
        Playlist.created_at,
        Playlist.id,
    )
    .where(Playlist.user_id == bindparam("user_id"))
    .order_by(Playlist.created_at, Playlist.id)
)
_LAST = tuple_(
    bindparam("last_0", type_=Playlist.created_at.type), bindparam("last_1", type_=Playlist.id.type)
)
_FIRST_PLAYLISTS = prepare_page(_PLAYLISTS)
_NEXT_PLAYLISTS = prepare_page(_PLAYLISTS.where(tuple_(Playlist.created_at, Playlist.id) > _LAST))

_POSITION = collate(PlaylistItem.position, "C")
_DELETED = literal_column("'deleted'", Text())
_MISSING = literal_column("'missing'", Text())
_GAP = case((Video.id.is_(None), _DELETED), (Video.missing_since.is_not(None), _MISSING), else_=null())
_ITEMS = (
    select(
        json_item(
            id=PlaylistItem.id,
            video_id=PlaylistItem.video_id,
            position=PlaylistItem.position,
            gap=_GAP,
            video=case((Video.id.is_not(None), VIDEO_OBJECT), else_=null()),
        ),
        _POSITION.label("position"),
        PlaylistItem.id,
    )
    .join_from(PlaylistItem, Video, Video.id == PlaylistItem.video_id, isouter=True)
    .where(PlaylistItem.playlist_id == bindparam("playlist_id"), PlaylistItem.user_id == bindparam("user_id"))
    .order_by(_POSITION, PlaylistItem.id)
)
_LAST_ITEM = tuple_(
    bindparam("last_0", type_=_POSITION.type), bindparam("last_1", type_=PlaylistItem.id.type)
)
_FIRST_ITEMS = prepare_page(_ITEMS)
_NEXT_ITEMS = prepare_page(_ITEMS.where(tuple_(_POSITION, PlaylistItem.id) > _LAST_ITEM))


async def find_playlists(
    database: Database, user_id: UUID, after: Sequence[Any] | None, *, limit: int
) -> "asyncpg.Record":
    """A page of the JSON of `PlaylistBody`, oldest first."""
    parameters = {"user_id": user_id, "watch_later_id": watch_later_id(user_id), "limit": limit}
    if after is None:
        return await database.fetch_page(_FIRST_PLAYLISTS, **parameters)
    return await database.fetch_page(_NEXT_PLAYLISTS, **parameters, last_0=after[0], last_1=after[1])


async def find_items(
    database: Database, user_id: UUID, playlist_id: UUID, *, after: Sequence[Any] | None, limit: int
) -> "asyncpg.Record":
    """A page of the JSON of `ItemBody`, in order."""
    parameters = {"user_id": user_id, "playlist_id": playlist_id, "limit": limit}
    if after is None:
        return await database.fetch_page(_FIRST_ITEMS, **parameters)
    return await database.fetch_page(_NEXT_ITEMS, **parameters, last_0=after[0], last_1=after[1])


_FIND = text("SELECT id FROM playlists WHERE id = :id AND user_id = :user_id")
_INSERT = text(
    "INSERT INTO playlists (id, user_id, name) VALUES (:id, :user_id, :name) ON CONFLICT (id) DO NOTHING"
)
_READ = text(
    """
    SELECT p.id, p.name, p.id = :watch_later_id AS is_watch_later, p.created_at,
            (SELECT count(*) FROM playlist_items i WHERE i.playlist_id = p.id AND i.user_id = p.user_id) AS items
        FROM playlists p WHERE p.id = :id
    """
)
_RENAME = text("UPDATE playlists SET name = :name WHERE id = :id AND user_id = :user_id RETURNING id")
_DELETE = text("DELETE FROM playlists WHERE id = :id AND user_id = :user_id RETURNING id")


async def has_playlist(database: Database, user_id: UUID, playlist_id: UUID) -> bool:
    """Whether the user has a playlist of that id."""
    return await database.fetch_one(_FIND, {"id": playlist_id, "user_id": user_id}) is not None


async def lock_playlist(db: AsyncSession, user_id: UUID, playlist_id: UUID) -> bool:
    """The same in a transaction, for which the playlist stays."""
    found = await db.execute(text(f"{_FIND} FOR KEY SHARE"), {"id": playlist_id, "user_id": user_id})
    return found.one_or_none() is not None


async def insert_playlist(db: AsyncSession, user_id: UUID, name: str, *, row_id: UUID | None = None) -> UUID:
    """Make a playlist, unless there is one of that id; returns its id."""
    playlist_id = row_id or new_id()
    await db.execute(_INSERT, {"id": playlist_id, "user_id": user_id, "name": name})
    return playlist_id


async def read_playlist(db: AsyncSession, user_id: UUID, playlist_id: UUID) -> AnyRow:
    """What a `PlaylistBody` says of a playlist that there is."""
    parameters = {"id": playlist_id, "watch_later_id": watch_later_id(user_id)}
    return (await db.execute(_READ, parameters)).one()


async def rename_playlist(db: AsyncSession, user_id: UUID, playlist_id: UUID, *, name: str) -> bool:
    """Give a playlist another name. False if the user has none of that id."""
    renamed = await db.execute(_RENAME, {"id": playlist_id, "user_id": user_id, "name": name})
    return renamed.one_or_none() is not None


async def delete_playlist(db: AsyncSession, user_id: UUID, playlist_id: UUID) -> bool:
    """Delete a playlist; its items wait for it. False if the user has none of that id."""
    return (await db.execute(_DELETE, {"id": playlist_id, "user_id": user_id})).one_or_none() is not None


_LIST = text(
    "SELECT id, video_id, position FROM playlist_items WHERE playlist_id = :playlist_id AND user_id = :user_id"
    ' ORDER BY position COLLATE "C", id'
)
_ADD = text(
    """
    INSERT INTO playlist_items (id, user_id, playlist_id, video_id, position)
        SELECT :id, :user_id, :playlist_id, v.id, :position FROM videos v WHERE v.id = :video_id
        RETURNING id, video_id, position
    """
)
_PLACE = text(
    "UPDATE playlist_items i SET position = r.position"
    " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (id uuid, position text) WHERE i.id = r.id AND i.position <> r.position"
)
_REMOVE = text(
    "DELETE FROM playlist_items WHERE id = :id AND playlist_id = :playlist_id AND user_id = :user_id RETURNING id"
)


async def list_items(db: AsyncSession, user_id: UUID, playlist_id: UUID) -> Sequence[AnyRow]:
    """`id`, `video_id` and `position` of the items of a playlist, in order."""
    return (await db.execute(_LIST, {"playlist_id": playlist_id, "user_id": user_id})).all()


async def insert_item(
    db: AsyncSession, user_id: UUID, playlist_id: UUID, *, video_id: UUID, position: str
) -> AnyRow | None:
    """Put a video into a playlist; None if there is no such video."""
    row = {
        "id": item_id(user_id, playlist_id, video_id),
        "user_id": user_id,
        "playlist_id": playlist_id,
        "video_id": video_id,
        "position": position,
    }
    return (await db.execute(_ADD, row)).one_or_none()


async def place_items(db: AsyncSession, positions: Mapping[UUID, str]) -> None:
    """Give items of one playlist their positions."""
    rows = [{"id": str(row_id), "position": position} for row_id, position in positions.items()]
    await db.execute(_PLACE, {"rows": json.dumps(rows)})


async def delete_item(db: AsyncSession, user_id: UUID, playlist_id: UUID, *, row_id: UUID) -> bool:
    """Take an item out of a playlist. False if there is none of that id."""
    parameters = {"id": row_id, "playlist_id": playlist_id, "user_id": user_id}
    return (await db.execute(_REMOVE, parameters)).one_or_none() is not None
