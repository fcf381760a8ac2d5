"""`GET /v1/videos`, `GET /v1/tags`, `GET /v1/folders`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from dbcommon.session import DatabaseDep
from videovault.dependencies import ReaderDep, read_caller, require_persistence
from videovault.errors import NoPersistence
from videovault.listing import service
from videovault.listing.schemas import FolderBody, FolderQuery, TagCount, TagQuery, VideoPage, VideoQuery
from webcommon.api.paging import Page
from webcommon.api.problems import (
    Forbidden,
    InvalidRequest,
    ServiceUnavailable,
    Unauthorized,
    problem_responses,
)
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep

router = APIRouter(
    prefix="/v1",
    dependencies=[Depends(require_persistence), Depends(read_caller)],
    responses=problem_responses(Unauthorized, Forbidden, InvalidRequest, NoPersistence, ServiceUnavailable),
)


@router.get(
    "/videos", operation_id="list_videos", summary="List videos", tags=["videos"], response_model=VideoPage
)
@fast_path
async def list_videos(
    query: Annotated[VideoQuery, Query()], caller: ReaderDep, database: DatabaseDep, cursors: CursorsDep
) -> Response:
    """A page of the library. No video repeats or is missing because others add or delete videos meanwhile."""
    return await service.list_videos(database, query, caller=caller, cursors=cursors)


@router.get(
    "/tags",
    operation_id="count_tags",
    summary="Count the tags of the videos that match",
    tags=["tags"],
    response_model=Page[TagCount],
)
@fast_path
async def count_tags(
    query: Annotated[TagQuery, Query()], caller: ReaderDep, database: DatabaseDep, cursors: CursorsDep
) -> Response:
    """The tags of the videos that the filters find, the most used first."""
    return await service.count_tags(database, query, caller=caller, cursors=cursors)


@router.get(
    "/folders",
    operation_id="list_folders",
    summary="List folders",
    tags=["videos"],
    response_model=Page[FolderBody],
)
@fast_path
async def list_folders(
    query: Annotated[FolderQuery, Query()], database: DatabaseDep, cursors: CursorsDep
) -> Response:
    """The folders in one, by name, each with the videos in it and below; without `parent` the roots."""
    return await service.list_folders(database, query, cursors=cursors)
