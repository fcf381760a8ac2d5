"""`/v1/videos/{id}/tags`, and what changes tags of many videos."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from dbcommon.session import SessionDep
from videovault.dependencies import EditorDep, require_persistence
from videovault.errors import VideoNotFound
from videovault.tag_names.errors import TagCircle
from videovault.tags import service
from videovault.tags.errors import TagNotFound
from videovault.tags.schemas import BulkTagResult, BulkTags, NewTags, OldTags, Renaming, RenamingResult
from videovault.videos.representation import ETAG_HEADER, represent
from videovault.videos.routes import REFUSALS
from videovault.videos.schemas import VideoBody
from webcommon.api.problems import InvalidRequest, problem_responses

router = APIRouter(
    prefix="/v1", tags=["tags"], dependencies=[Depends(require_persistence)], responses=REFUSALS
)


@router.post(
    "/videos/{video_id}/tags",
    operation_id="add_tags",
    summary="Put tags on a video",
    response_model=VideoBody,
    responses={200: {"headers": ETAG_HEADER}, **problem_responses(VideoNotFound, InvalidRequest)},
)
async def add_tags(video_id: UUID, body: NewTags, caller: EditorDep, db: SessionDep) -> Response:
    """Add tags to those that the video has."""
    return represent(await service.add_tags(db, video_id, body.tags, caller=caller))


@router.delete(
    "/videos/{video_id}/tags",
    operation_id="remove_tags",
    summary="Take tags off a video",
    response_model=VideoBody,
    responses={200: {"headers": ETAG_HEADER}, **problem_responses(VideoNotFound)},
)
async def remove_tags(
    video_id: UUID, query: Annotated[OldTags, Query()], caller: EditorDep, db: SessionDep
) -> Response:
    """Remove tags; what the video does not have is passed over."""
    return represent(await service.remove_tags(db, video_id, query.tag, caller=caller))


@router.post("/tags/bulk", operation_id="change_tags", summary="Change tags of many videos")
async def change_tags(body: BulkTags, caller: EditorDep, db: SessionDep) -> BulkTagResult:
    """Put tags on up to 5,000 videos and take tags off, which can be undone. All their other tags stay."""
    return await service.change_many(db, body, caller=caller)


@router.post(
    "/tags/rename",
    operation_id="rename_tag",
    summary="Rename a tag",
    responses=problem_responses(TagNotFound, TagCircle),
)
async def rename_tag(body: Renaming, caller: EditorDep, db: SessionDep) -> RenamingResult:
    """Give a tag another name everywhere, which can be undone. Onto the name of another tag of the category it merges the two;
    onto another spelling of its own it spells all anew."""
    return await service.rename(db, body, caller=caller)
