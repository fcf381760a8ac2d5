"""The rules of playlists."""

from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from videovault.changes import repository as changes
from videovault.entities import repository as entities
from videovault.entities.registry import MOST_ITEMS, MOST_PLAYLISTS
from videovault.errors import VideoNotFound
from videovault.models import watch_later_id
from videovault.playlists import repository
from videovault.playlists.errors import (
    ItemNotFound,
    PlaylistFull,
    PlaylistNotFound,
    PlaylistStays,
    TooManyPlaylists,
)
from videovault.playlists.positions import LONGEST, between, spread
from videovault.playlists.schemas import PlaylistBody, StoredItem
from webcommon.api.paging import CursorCodec
from webcommon.auth.bearer import Caller

WATCH_LATER = "Watch later"
"""The name of the playlist that is always there, until its user gives it another one."""


async def list_playlists(
    database: Database, *, caller: Caller, cursors: CursorCodec, cursor: str | None, limit: int
) -> Response:
    """A `Page[PlaylistBody]` of the caller's."""
    scope = f"playlists {caller.id}"
    after = cursors.decode(scope, cursor)
    await _ensure_watch_later(database, watch_later_id(caller.id), caller=caller)
    page = await repository.find_playlists(database, caller.id, after, limit=limit)
    return cursors.json_page(page, scope=scope)


async def list_items(
    database: Database,
    playlist_id: UUID,
    *,
    caller: Caller,
    cursors: CursorCodec,
    cursor: str | None,
    limit: int,
) -> Response:
    """A `Page[ItemBody]` of a playlist. Raises `PlaylistNotFound`."""
    scope = f"playlist {playlist_id}"
    after = cursors.decode(scope, cursor)
    if not await _ensure_watch_later(database, playlist_id, caller=caller):
        raise PlaylistNotFound
    page = await repository.find_items(database, caller.id, playlist_id, after=after, limit=limit)
    return cursors.json_page(page, scope=scope)


async def _ensure_watch_later(database: Database, playlist_id: UUID, *, caller: Caller) -> bool:
    """Whether the caller has the playlist; "watch later" is made if it is not there."""
    if await repository.has_playlist(database, caller.id, playlist_id):
        return True
    if playlist_id != watch_later_id(caller.id):
        return False
    async with database.transaction() as db:
        await _lock(db, caller)
        await _make_watch_later(db, caller)
    return True


async def _make_watch_later(db: AsyncSession, caller: Caller) -> None:
    row_id = watch_later_id(caller.id)
    if not await entities.put_back(db, "playlist", [row_id]):
        await repository.insert_playlist(db, caller.id, WATCH_LATER, row_id=row_id)


async def _lock(db: AsyncSession, caller: Caller) -> None:
    await changes.begin(db, changes.By(actor=str(caller.id)))
    await entities.lock_owner(db, caller.id)


async def _lock_playlist(db: AsyncSession, playlist_id: UUID, caller: Caller) -> None:
    await _lock(db, caller)
    if not await repository.lock_playlist(db, caller.id, playlist_id):
        if playlist_id != watch_later_id(caller.id):
            raise PlaylistNotFound
        await _make_watch_later(db, caller)


async def create_playlist(db: AsyncSession, name: str, *, caller: Caller) -> PlaylistBody:
    """Make a playlist. Raises `TooManyPlaylists`."""
    await _lock(db, caller)
    counts = await entities.count_rows(db, "playlist", user_id=caller.id)
    if sum(counts.values()) >= MOST_PLAYLISTS:
        raise TooManyPlaylists(f"Delete one of your {MOST_PLAYLISTS} first.")
    playlist_id = await repository.insert_playlist(db, caller.id, name)
    return PlaylistBody.model_validate(await repository.read_playlist(db, caller.id, playlist_id))


async def rename_playlist(db: AsyncSession, playlist_id: UUID, name: str, *, caller: Caller) -> PlaylistBody:
    """Give a playlist another name. Raises `PlaylistNotFound`."""
    await _lock_playlist(db, playlist_id, caller)
    await repository.rename_playlist(db, caller.id, playlist_id, name=name)
    return PlaylistBody.model_validate(await repository.read_playlist(db, caller.id, playlist_id))


async def delete_playlist(db: AsyncSession, playlist_id: UUID, *, caller: Caller) -> None:
    """Delete a playlist. Raises `PlaylistNotFound`, and `PlaylistStays` for "watch later"."""
    if playlist_id == watch_later_id(caller.id):
        raise PlaylistStays("Remove its items instead.")
    await _lock(db, caller)
    if not await repository.delete_playlist(db, caller.id, playlist_id):
        raise PlaylistNotFound


async def add_item(
    db: AsyncSession, playlist_id: UUID, video_id: UUID, *, caller: Caller
) -> tuple[StoredItem, bool]:
    """Put a video at the end of a playlist, unless it is in it; and whether it is new. Raises `PlaylistNotFound`,
    `VideoNotFound`, `PlaylistFull`."""
    await _lock_playlist(db, playlist_id, caller)
    items = await repository.list_items(db, caller.id, playlist_id)
    for item in items:
        if item.video_id == video_id:
            return StoredItem.model_validate(item), False
    if len(items) >= MOST_ITEMS:
        raise PlaylistFull(f"A playlist has at most {MOST_ITEMS} items.")
    position = between(items[-1].position if items else None, None)
    row = await repository.insert_item(db, caller.id, playlist_id, video_id=video_id, position=position)
    if row is None:
        raise VideoNotFound
    return StoredItem.model_validate(row), True


async def move_item(
    db: AsyncSession, playlist_id: UUID, item_id: UUID, *, after: UUID | None, caller: Caller
) -> StoredItem:
    """Put an item behind another one, or first. Raises `PlaylistNotFound`, `ItemNotFound`."""
    await _lock_playlist(db, playlist_id, caller)
    items = await repository.list_items(db, caller.id, playlist_id)
    moved = next((item for item in items if item.id == item_id), None)
    others = [item for item in items if item.id != item_id]
    places = {item.id: number for number, item in enumerate(others, 1)}
    if moved is None or (after is not None and after != item_id and after not in places):
        raise ItemNotFound
    if after == item_id:
        return StoredItem.model_validate(moved)
    place = 0 if after is None else places[after]
    lower = others[place - 1].position if place else None
    upper = others[place].position if place < len(others) else None
    position = "" if lower is not None and lower == upper else between(lower, upper)
    positions = {item_id: position}
    if not position or len(position) > LONGEST:
        order = [*others[:place], moved, *others[place:]]
        positions = {item.id: new for item, new in zip(order, spread(len(order)), strict=True)}
    await repository.place_items(db, positions)
    return StoredItem(id=item_id, video_id=moved.video_id, position=positions[item_id])


async def remove_item(db: AsyncSession, playlist_id: UUID, item_id: UUID, *, caller: Caller) -> None:
    """Take an item out of a playlist. Raises `ItemNotFound`."""
    await _lock(db, caller)
    if not await repository.delete_item(db, caller.id, playlist_id, row_id=item_id):
        raise ItemNotFound
