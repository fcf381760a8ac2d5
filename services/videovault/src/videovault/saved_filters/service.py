"""The rules of saved filters."""

from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from videovault.changes import repository as changes
from videovault.entities import repository as entities
from videovault.entities.registry import MOST_SAVED_FILTERS
from videovault.saved_filters import repository
from videovault.saved_filters.errors import SavedFilterNotFound, TooManySavedFilters
from videovault.saved_filters.schemas import NewSavedFilter, SavedFilterBody
from webcommon.api.paging import CursorCodec
from webcommon.auth.bearer import Caller


async def list_filters(
    database: Database, *, caller: Caller, cursors: CursorCodec, cursor: str | None, limit: int
) -> Response:
    """A `Page[SavedFilterBody]` of the caller's."""
    scope = f"saved filters {caller.id}"
    page = await repository.find_page(database, caller.id, cursors.decode(scope, cursor), limit=limit)
    return cursors.json_page(page, scope=scope)


async def save_filter(db: AsyncSession, given: NewSavedFilter, *, caller: Caller) -> SavedFilterBody:
    """Save a list. Raises `TooManySavedFilters`."""
    await changes.begin(db, changes.By(actor=str(caller.id)))
    await entities.lock_owner(db, caller.id)
    counts = await entities.count_rows(db, "saved_filter", user_id=caller.id)
    if sum(counts.values()) >= MOST_SAVED_FILTERS:
        raise TooManySavedFilters(f"Delete one of your {MOST_SAVED_FILTERS} first.")
    return SavedFilterBody.model_validate(await repository.insert_filter(db, caller.id, given))


async def change_filter(
    db: AsyncSession, filter_id: UUID, given: NewSavedFilter, *, caller: Caller
) -> SavedFilterBody:
    """Give a saved list another name and other parameters. Raises `SavedFilterNotFound`."""
    await changes.begin(db, changes.By(actor=str(caller.id)))
    row = await repository.update_filter(db, caller.id, filter_id, given=given)
    if row is None:
        raise SavedFilterNotFound
    return SavedFilterBody.model_validate(row)


async def delete_filter(db: AsyncSession, filter_id: UUID, *, caller: Caller) -> None:
    """Delete a saved list. Raises `SavedFilterNotFound`."""
    await changes.begin(db, changes.By(actor=str(caller.id)))
    if not await repository.delete_filter(db, caller.id, filter_id):
        raise SavedFilterNotFound
