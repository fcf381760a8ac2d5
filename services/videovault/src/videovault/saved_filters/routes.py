"""`/v1/saved-filters`."""

from uuid import UUID

from fastapi import APIRouter, Depends, Response

from dbcommon.session import DatabaseDep, SessionDep
from videovault.dependencies import ReaderDep, require_persistence
from videovault.errors import NoPersistence
from videovault.saved_filters import service
from videovault.saved_filters.errors import SavedFilterNotFound, TooManySavedFilters
from videovault.saved_filters.schemas import NewSavedFilter, SavedFilterBody
from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.api.problems import Forbidden, ServiceUnavailable, Unauthorized, problem_responses
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep

router = APIRouter(
    prefix="/v1/saved-filters",
    tags=["saved filters"],
    dependencies=[Depends(require_persistence)],
    responses=problem_responses(Unauthorized, Forbidden, NoPersistence, ServiceUnavailable),
)


@router.get(
    "",
    operation_id="list_saved_filters",
    summary="List your saved filters",
    response_model=Page[SavedFilterBody],
)
@fast_path
async def list_saved_filters(
    caller: ReaderDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    cursor: CursorParameter = None,
    limit: LimitParameter = DEFAULT_LIMIT,
) -> Response:
    """The lists that you saved, oldest first."""
    return await service.list_filters(database, caller=caller, cursors=cursors, cursor=cursor, limit=limit)


@router.post(
    "",
    operation_id="create_saved_filter",
    summary="Save a filter",
    status_code=201,
    responses=problem_responses(TooManySavedFilters),
)
async def create_saved_filter(body: NewSavedFilter, caller: ReaderDep, db: SessionDep) -> SavedFilterBody:
    """Save the parameters of a list by a name."""
    return await service.save_filter(db, body, caller=caller)


@router.put(
    "/{filter_id}",
    operation_id="put_saved_filter",
    summary="Change a saved filter",
    responses=problem_responses(SavedFilterNotFound),
)
async def put_saved_filter(
    filter_id: UUID, body: NewSavedFilter, caller: ReaderDep, db: SessionDep
) -> SavedFilterBody:
    """Give it another name, or other parameters."""
    return await service.change_filter(db, filter_id, body, caller=caller)


@router.delete(
    "/{filter_id}",
    operation_id="delete_saved_filter",
    summary="Delete a saved filter",
    status_code=204,
    responses=problem_responses(SavedFilterNotFound),
)
async def delete_saved_filter(filter_id: UUID, caller: ReaderDep, db: SessionDep) -> None:
    """Forget it; no video is deleted."""
    await service.delete_filter(db, filter_id, caller=caller)
