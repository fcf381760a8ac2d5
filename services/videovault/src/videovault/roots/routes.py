"""`/v1/roots`."""

from uuid import UUID

from fastapi import APIRouter, Depends, Response

from dbcommon.session import DatabaseDep
from videovault.dependencies import (
    EditorDep,
    SettingsDep,
    read_caller,
    require_editor,
    require_persistence,
)
from videovault.errors import NoPersistence
from videovault.roots import service
from videovault.roots.errors import (
    FilesNotThere,
    NotAFolder,
    OutsideMediaRoots,
    RelocationTaken,
    RootNotFound,
    RootsOverlap,
)
from videovault.roots.schemas import NewRoot, Relocation, RootBody
from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.api.problems import Forbidden, ServiceUnavailable, Unauthorized, problem_responses
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep

router = APIRouter(
    prefix="/v1/roots",
    tags=["roots"],
    dependencies=[Depends(require_persistence)],
    responses=problem_responses(Unauthorized, Forbidden, NoPersistence, ServiceUnavailable),
)


@router.get(
    "",
    operation_id="list_roots",
    summary="List the folders whose files are videos",
    response_model=Page[RootBody],
    dependencies=[Depends(read_caller)],
)
@fast_path
async def list_roots(
    database: DatabaseDep,
    cursors: CursorsDep,
    limit: LimitParameter = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Response:
    """By path."""
    return await service.list_roots(database, limit=limit, cursor=cursor, cursors=cursors)


@router.post(
    "",
    operation_id="create_root",
    summary="Make a folder a root",
    status_code=201,
    responses=problem_responses(OutsideMediaRoots, NotAFolder, RootsOverlap),
    dependencies=[Depends(require_editor)],
)
async def create_root(body: NewRoot, settings: SettingsDep, database: DatabaseDep) -> RootBody:
    """Make a folder inside of `VIDEOVAULT_MEDIA_ROOTS` a root. `POST /v1/scans` then finds its files."""
    return await service.create_root(database, settings, body)


@router.delete(
    "/{root_id}",
    operation_id="delete_root",
    summary="Forget a root",
    status_code=204,
    responses=problem_responses(RootNotFound),
)
async def delete_root(root_id: UUID, caller: EditorDep, database: DatabaseDep) -> None:
    """Forget the folder. Its videos stay, and are missing from now on."""
    await service.delete_root(database, root_id, caller=caller)


@router.post(
    "/{root_id}/relocate",
    operation_id="relocate_root",
    summary="Say where a root's folder is now",
    responses=problem_responses(
        RootNotFound, OutsideMediaRoots, NotAFolder, RootsOverlap, FilesNotThere, RelocationTaken
    ),
)
async def relocate_root(
    root_id: UUID, body: Relocation, caller: EditorDep, settings: SettingsDep, database: DatabaseDep
) -> RootBody:
    """The folder was moved or mounted elsewhere with all that is in it: every video keeps its id, and no file is read."""
    return await service.relocate_root(database, settings, root_id, body, caller=caller)
