"""`/v1/playlists`."""

from uuid import UUID

from fastapi import APIRouter, Depends, Response

from dbcommon.session import DatabaseDep, SessionDep
from videovault.dependencies import ReaderDep, require_persistence
from videovault.errors import NoPersistence, VideoNotFound
from videovault.playlists import service
from videovault.playlists.errors import (
    ItemNotFound,
    PlaylistFull,
    PlaylistNotFound,
    PlaylistStays,
    TooManyPlaylists,
)
from videovault.playlists.schemas import (
    ItemBody,
    ItemMove,
    NewItem,
    PlaylistBody,
    PlaylistRequest,
    StoredItem,
)
from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.api.problems import Forbidden, ServiceUnavailable, Unauthorized, problem_responses
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep

router = APIRouter(
    prefix="/v1/playlists",
    tags=["playlists"],
    dependencies=[Depends(require_persistence)],
    responses=problem_responses(Unauthorized, Forbidden, NoPersistence, ServiceUnavailable),
)


@router.get(
    "", operation_id="list_playlists", summary="List your playlists", response_model=Page[PlaylistBody]
)
@fast_path
async def list_playlists(
    caller: ReaderDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    cursor: CursorParameter = None,
    limit: LimitParameter = DEFAULT_LIMIT,
) -> Response:
    """Your playlists, oldest first; "watch later" is always there."""
    return await service.list_playlists(database, caller=caller, cursors=cursors, cursor=cursor, limit=limit)


@router.post(
    "",
    operation_id="create_playlist",
    summary="Make a playlist",
    status_code=201,
    responses=problem_responses(TooManyPlaylists),
)
async def create_playlist(body: PlaylistRequest, caller: ReaderDep, db: SessionDep) -> PlaylistBody:
    """An empty one."""
    return await service.create_playlist(db, body.name, caller=caller)


@router.patch(
    "/{playlist_id}",
    operation_id="rename_playlist",
    summary="Rename a playlist",
    responses=problem_responses(PlaylistNotFound),
)
async def rename_playlist(
    playlist_id: UUID, body: PlaylistRequest, caller: ReaderDep, db: SessionDep
) -> PlaylistBody:
    """Give a playlist another name."""
    return await service.rename_playlist(db, playlist_id, body.name, caller=caller)


@router.delete(
    "/{playlist_id}",
    operation_id="delete_playlist",
    summary="Delete a playlist",
    status_code=204,
    responses=problem_responses(PlaylistNotFound, PlaylistStays),
)
async def delete_playlist(playlist_id: UUID, caller: ReaderDep, db: SessionDep) -> None:
    """Delete a playlist; no video is deleted. "Watch later" stays."""
    await service.delete_playlist(db, playlist_id, caller=caller)


@router.get(
    "/{playlist_id}/items",
    operation_id="list_playlist_items",
    summary="List what is in a playlist",
    response_model=Page[ItemBody],
    responses=problem_responses(PlaylistNotFound),
)
@fast_path
async def list_playlist_items(
    playlist_id: UUID,
    caller: ReaderDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    cursor: CursorParameter = None,
    limit: LimitParameter = DEFAULT_LIMIT,
) -> Response:
    """Its videos in order; a deleted or missing one leaves a gap that says so."""
    return await service.list_items(
        database, playlist_id, caller=caller, cursors=cursors, cursor=cursor, limit=limit
    )


@router.post(
    "/{playlist_id}/items",
    operation_id="add_playlist_item",
    summary="Add a video to a playlist",
    status_code=201,
    responses={
        200: {"description": "It is there already.", "model": StoredItem},
        **problem_responses(PlaylistNotFound, VideoNotFound, PlaylistFull),
    },
)
async def add_playlist_item(
    playlist_id: UUID, body: NewItem, response: Response, caller: ReaderDep, db: SessionDep
) -> StoredItem:
    """At its end. A playlist has a video once."""
    item, is_new = await service.add_item(db, playlist_id, body.video_id, caller=caller)
    if not is_new:
        response.status_code = 200
    return item


@router.patch(
    "/{playlist_id}/items/{item_id}",
    operation_id="move_playlist_item",
    summary="Move an item of a playlist",
    responses=problem_responses(PlaylistNotFound, ItemNotFound),
)
async def move_playlist_item(
    playlist_id: UUID, item_id: UUID, body: ItemMove, caller: ReaderDep, db: SessionDep
) -> StoredItem:
    """Behind another item, or to the beginning. Others keep their positions, so that moves at once all hold."""
    return await service.move_item(db, playlist_id, item_id, after=body.after, caller=caller)


@router.delete(
    "/{playlist_id}/items/{item_id}",
    operation_id="remove_playlist_item",
    summary="Remove an item of a playlist",
    status_code=204,
    responses=problem_responses(ItemNotFound),
)
async def remove_playlist_item(playlist_id: UUID, item_id: UUID, caller: ReaderDep, db: SessionDep) -> None:
    """Take it out; no video is deleted."""
    await service.remove_item(db, playlist_id, item_id, caller=caller)
