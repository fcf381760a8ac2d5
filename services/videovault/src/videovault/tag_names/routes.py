"""`/v1/tags/aliases`, `/v1/tags/parents`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from dbcommon.session import DatabaseDep, SessionDep
from videovault.dependencies import EditorDep, read_caller, require_persistence
from videovault.tag_names import service
from videovault.tag_names.errors import TagCircle, TagNameNotFound
from videovault.tag_names.schemas import AliasBody, NameQuery, NewAlias, NewParent, ParentBody
from videovault.videos.routes import REFUSALS
from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.api.problems import problem_responses
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep

router = APIRouter(
    prefix="/v1/tags", tags=["tags"], dependencies=[Depends(require_persistence)], responses=REFUSALS
)
READS = [Depends(read_caller)]


@router.get(
    "/aliases",
    operation_id="list_aliases",
    summary="List other names of tags",
    response_model=Page[AliasBody],
    dependencies=READS,
)
@fast_path
async def list_aliases(
    database: DatabaseDep,
    cursors: CursorsDep,
    cursor: CursorParameter = None,
    limit: LimitParameter = DEFAULT_LIMIT,
) -> Response:
    """The names that stand for tags, by category and name."""
    return await service.list_names(database, "aliases", cursors=cursors, cursor=cursor, limit=limit)


@router.put(
    "/aliases", operation_id="put_alias", summary="Name a tag", responses=problem_responses(TagCircle)
)
async def put_alias(body: NewAlias, caller: EditorDep, db: SessionDep) -> AliasBody:
    """Let a name of a category stand for a tag of it: added to a video it gives the tag, and a filter by it finds the tag."""
    return await service.put_alias(db, body, caller=caller)


@router.delete(
    "/aliases",
    operation_id="delete_alias",
    summary="Delete another name of a tag",
    status_code=204,
    responses=problem_responses(TagNameNotFound),
)
async def delete_alias(query: Annotated[NameQuery, Query()], caller: EditorDep, db: SessionDep) -> None:
    """The name stands for itself again."""
    await service.delete_alias(db, query.tag, caller=caller)


@router.get(
    "/parents",
    operation_id="list_parents",
    summary="List tags that are below others",
    response_model=Page[ParentBody],
    dependencies=READS,
)
@fast_path
async def list_parents(
    database: DatabaseDep,
    cursors: CursorsDep,
    cursor: CursorParameter = None,
    limit: LimitParameter = DEFAULT_LIMIT,
) -> Response:
    """The tags that have one above them, by category and name."""
    return await service.list_names(database, "parents", cursors=cursors, cursor=cursor, limit=limit)


@router.put(
    "/parents",
    operation_id="put_parent",
    summary="Put a tag above another",
    responses=problem_responses(TagCircle),
)
async def put_parent(body: NewParent, caller: EditorDep, db: SessionDep) -> ParentBody:
    """Put a tag above a tag, instead of the one that is there: a filter by it finds the other, too."""
    return await service.put_parent(db, body, caller=caller)


@router.delete(
    "/parents",
    operation_id="delete_parent",
    summary="Take the tag above a tag away",
    status_code=204,
    responses=problem_responses(TagNameNotFound),
)
async def delete_parent(query: Annotated[NameQuery, Query()], caller: EditorDep, db: SessionDep) -> None:
    """The tag stands by itself again."""
    await service.delete_parent(db, query.tag, caller=caller)
