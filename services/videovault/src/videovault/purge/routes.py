"""`POST /v1/videos/purge-missing`."""

from fastapi import APIRouter, Depends

from dbcommon.session import SessionDep
from videovault.dependencies import EditorDep, require_persistence
from videovault.errors import NoPersistence
from videovault.purge import service
from videovault.purge.schemas import Purge, PurgeRequest
from webcommon.api.problems import Forbidden, ServiceUnavailable, Unauthorized, problem_responses

router = APIRouter(
    prefix="/v1/videos",
    tags=["videos"],
    dependencies=[Depends(require_persistence)],
    responses=problem_responses(Unauthorized, Forbidden, NoPersistence, ServiceUnavailable),
)


@router.post(
    "/purge-missing", operation_id="purge_missing_videos", summary="Delete videos whose files are gone"
)
async def purge_missing_videos(body: PurgeRequest, caller: EditorDep, db: SessionDep) -> Purge:
    """Delete the records of files that are missing for long. With `dry_run`, which is the default, only say which these are."""
    return await service.purge_missing(db, body, caller=caller)
