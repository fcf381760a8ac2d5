"""`PUT /v1/videos/{id}/mine`."""

from uuid import UUID

from fastapi import APIRouter, Depends

from dbcommon.session import SessionDep
from videovault.dependencies import ReaderDep, require_persistence
from videovault.errors import NoPersistence, VideoNotFound
from videovault.mine import service
from videovault.mine.schemas import MineBody, MineRequest
from webcommon.api.problems import Forbidden, ServiceUnavailable, Unauthorized, problem_responses

router = APIRouter(
    prefix="/v1/videos",
    tags=["watching"],
    dependencies=[Depends(require_persistence)],
    responses=problem_responses(Unauthorized, Forbidden, NoPersistence, ServiceUnavailable),
)


@router.put(
    "/{video_id}/mine",
    operation_id="put_mine",
    summary="Say what a video is to you",
    responses=problem_responses(VideoNotFound),
)
async def put_mine(video_id: UUID, body: MineRequest, caller: ReaderDep, db: SessionDep) -> MineBody:
    """Your favourite and your rating, which nobody else sees. What is left out stays."""
    return await service.put_mine(db, video_id, body, caller=caller)
