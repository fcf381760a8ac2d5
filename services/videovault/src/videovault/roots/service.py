"""The rules of roots."""

import asyncio
from uuid import UUID

from fastapi import Response
from sqlalchemy.exc import IntegrityError

from dbcommon.engine import Database
from videovault.changes import repository as changes
from videovault.files.paths import to_bytes
from videovault.roots import repository
from videovault.roots.errors import FilesNotThere, RelocationTaken, RootNotFound, RootsOverlap
from videovault.roots.folders import Folder, find_folder, has_any
from videovault.roots.schemas import NewRoot, Relocation, RootBody
from videovault.settings import Settings
from webcommon.api.paging import CursorCodec
from webcommon.auth.bearer import Caller

LOOKED_FOR = 100
"""Of so many of its known files one at least is in the folder that a root moves to."""


async def list_roots(database: Database, *, limit: int, cursor: str | None, cursors: CursorCodec) -> Response:
    """A `Page[RootBody]`. Raises `InvalidRequest` for a cursor of another list."""
    page = await repository.find_page(database, limit=limit, after=cursors.decode("roots", cursor))
    return cursors.json_page(page, scope="roots")


async def create_root(database: Database, settings: Settings, root: NewRoot) -> RootBody:
    """Make a folder a root. Raises `OutsideMediaRoots`, `NotAFolder` or `RootsOverlap`."""
    folder = await _find(root.path, settings)
    async with database.transaction() as db:
        await repository.lock_roots(db)
        if await repository.overlaps(db, folder.path):
            raise RootsOverlap("Scan the root that covers it, or delete that one first.")
        row = await repository.insert_root(db, folder)
    return RootBody.model_validate(row)


async def delete_root(database: Database, root_id: UUID, *, caller: Caller) -> None:
    """Forget a root, and cancel its scan; its videos become missing. Raises `RootNotFound`."""
    async with database.transaction() as db:
        root = await repository.lock_root(db, root_id)
        if root is None:
            raise RootNotFound
        await changes.begin(db, changes.By(actor=str(caller.id)))
        await repository.cancel_scan(db, root.scan_id)
        await repository.delete_root(db, root_id)
        await repository.mark_missing(db, root.path)


async def relocate_root(
    database: Database, settings: Settings, root_id: UUID, relocation: Relocation, *, caller: Caller
) -> RootBody:
    """The root's folder is at another path, with all its files: no video gets another id, and no file is read. Its scan is
    cancelled. Raises `RootNotFound`, `OutsideMediaRoots`, `NotAFolder`, `RootsOverlap`, `FilesNotThere`, `RelocationTaken`."""
    found = await repository.find_root(database, root_id)
    if found is None:
        raise RootNotFound
    folder = await _find(relocation.path, settings)
    known = await repository.list_known(database, found.path, most=LOOKED_FOR)
    places = [folder.path.rstrip("/") + rest for rest in known]
    if known and not relocation.force and not await asyncio.to_thread(has_any, places):
        raise FilesNotThere(f"None of {len(known)} known files is there; force moves the root all the same.")
    try:
        await _move(database, root_id, folder, caller=caller)
    except IntegrityError:
        raise RelocationTaken("Delete or move the other video first.") from None
    moved = await repository.find_root(database, root_id)
    if moved is None:
        raise RootNotFound
    return RootBody.model_validate(moved)


async def _move(database: Database, root_id: UUID, folder: Folder, *, caller: Caller) -> None:
    async with database.transaction() as db:
        root = await repository.lock_root(db, root_id)
        if root is None:
            raise RootNotFound
        await repository.lock_roots(db)
        if await repository.overlaps(db, folder.path, but=root_id):
            raise RootsOverlap("Move the root to a folder that no other root covers.")
        if root.path == folder.path:
            return
        if await repository.is_taken(db, old=root.path, new=folder.path):
            raise RelocationTaken("Delete or move the other video first.")
        await changes.begin(db, changes.By(actor=str(caller.id)))
        await repository.cancel_scan(db, root.scan_id)
        await repository.relocate(db, root, folder)


async def _find(path: str, settings: Settings) -> Folder:
    return await asyncio.to_thread(find_folder, to_bytes(path), allowed=settings.media_folders)
