"""`POST /v1/operations/{id}/undo`."""

from uuid import UUID

from fastapi import APIRouter, Depends

from dbcommon.session import SessionDep
from videovault.dependencies import ReaderDep, require_persistence
from videovault.errors import NoPersistence
from videovault.undo import service
from videovault.undo.errors import OperationExpired, OperationNotFound, OperationUndone
from videovault.undo.schemas import UndoResult
from webcommon.api.problems import Forbidden, ServiceUnavailable, Unauthorized, problem_responses

router = APIRouter(
    prefix="/v1/operations",
    tags=["changes"],
    dependencies=[Depends(require_persistence)],
    responses=problem_responses(Unauthorized, Forbidden, NoPersistence, ServiceUnavailable),
)


@router.post(
    "/{operation_id}/undo",
    operation_id="undo_operation",
    summary="Undo an operation",
    responses=problem_responses(OperationNotFound, OperationUndone, OperationExpired),
)
async def undo_operation(operation_id: UUID, caller: ReaderDep, db: SessionDep) -> UndoResult:
    """Take back what an operation of the last 30 days did: on the library as an editor, on your own as anybody. What was changed since stays and is listed."""
    return await service.undo(db, operation_id, caller=caller)
