"""`/v1/sync`."""

from uuid import UUID

from fastapi import APIRouter, Depends, Response

from dbcommon.session import DatabaseDep, SessionDep
from videovault.dependencies import ReaderDep, require_persistence
from videovault.errors import NoPersistence
from videovault.sync import service
from videovault.sync.errors import CheckpointExpired, RefusedNotFound
from videovault.sync.schemas import RefusedOperation, SyncRequest, SyncResult
from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.api.problems import ServiceUnavailable, Unauthorized, problem_responses
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep

LARGEST_SYNC = 8 * 1024 * 1024
"""Bytes of the operations of one call."""

router = APIRouter(
    prefix="/v1/sync",
    tags=["sync"],
    dependencies=[Depends(require_persistence)],
    responses=problem_responses(Unauthorized, NoPersistence, ServiceUnavailable),
)


@router.post(
    "",
    operation_id="sync_device",
    summary="Push a device's operations, pull what changed",
    response_model=SyncResult,
    responses=problem_responses(CheckpointExpired),
    max_body_size=LARGEST_SYNC,
)
async def sync_device(
    body: SyncRequest, caller: ReaderDep, database: DatabaseDep, cursors: CursorsDep
) -> Response:
    """Each operation is done once and judged by itself. Changes come at least once, in order, those of the operations
    too; pull again at once while `has_more` says so."""
    return await service.sync(database, body, caller=caller, cursors=cursors)


@router.get(
    "/refused",
    operation_id="list_refused_operations",
    summary="List your refused operations",
    response_model=Page[RefusedOperation],
)
@fast_path
async def list_refused_operations(
    caller: ReaderDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    cursor: CursorParameter = None,
    limit: LimitParameter = DEFAULT_LIMIT,
) -> Response:
    """Operations of all your devices that were refused, oldest first, until you dismiss them."""
    return await service.list_refused(database, caller=caller, cursors=cursors, cursor=cursor, limit=limit)


@router.delete(
    "/refused/{op_id}",
    operation_id="dismiss_refused_operation",
    summary="Dismiss a refused operation",
    status_code=204,
    responses=problem_responses(RefusedNotFound),
)
async def dismiss_refused_operation(op_id: UUID, caller: ReaderDep, db: SessionDep) -> None:
    """Take it off the list. Sent again, it stays refused."""
    await service.dismiss_refused(db, op_id, caller=caller)
