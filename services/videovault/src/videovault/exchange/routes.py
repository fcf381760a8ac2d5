"""`GET /v1/export` and `POST /v1/import`."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from dbcommon.session import DatabaseDep
from videovault.dependencies import EditorDep, require_persistence
from videovault.errors import NoPersistence
from videovault.exchange import service
from videovault.exchange.errors import InvalidImport
from videovault.exchange.schemas import ImportResult
from webcommon.api.ndjson import MEDIA_TYPE, NO_LIMIT, RequestTimeout, describe_body, is_ndjson, read_lines
from webcommon.api.problems import (
    Forbidden,
    InvalidRequest,
    ServiceUnavailable,
    Unauthorized,
    UnsupportedMediaType,
    problem_responses,
)

LONGEST_LINE = 8 * 1024 * 1024
"""Bytes of a line of an import."""

SILENT_SECONDS = 60
"""An import that sends nothing for so long has ended."""

_EXAMPLE = '{"kind": "export", "version": 1, "rows": 0}\n'
_LINES = {"schema": {"type": "string"}, "examples": {"empty": {"value": _EXAMPLE}}}

router = APIRouter(
    prefix="/v1",
    tags=["exchange"],
    dependencies=[Depends(require_persistence)],
    responses=problem_responses(Unauthorized, Forbidden, NoPersistence, ServiceUnavailable),
)


@router.get(
    "/export",
    operation_id="export_library",
    summary="Export the library",
    response_class=StreamingResponse,
    responses={200: {"description": "The lines.", "content": {MEDIA_TYPE: _LINES}}},
)
async def export_library(
    caller: EditorDep, database: DatabaseDep, history: Annotated[Literal["own", "all"], Query()] = "own"
) -> StreamingResponse:
    """The library as lines of JSON, sorted by kind and id, with your own history, favourites and ratings. `history=all`: with
    those of all users, for admins."""
    if history == "all":
        _require_admin(caller.roles)
    lines = await service.write_export(database, caller=caller, is_whole=history == "all")
    return StreamingResponse(lines, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


@router.post(
    "/import",
    operation_id="import_library",
    summary="Import a library",
    responses=problem_responses(InvalidImport, InvalidRequest, RequestTimeout, UnsupportedMediaType),
    max_body_size=NO_LIMIT,
    openapi_extra=describe_body({"type": "string"}, example=_EXAMPLE),
)
async def import_library(
    request: Request,
    caller: EditorDep,
    database: DatabaseDep,
    mode: Annotated[service.Mode, Query()] = "merge",
) -> ImportResult:
    """Store the lines of an export with their ids and times, all or none; for admins. `replace`: instead of what is there;
    `merge`: what is not there is added, and what is there stays as it is."""
    _require_admin(caller.roles)
    if not is_ndjson(request.scope):
        raise UnsupportedMediaType(f"Send an export, with Content-Type: {MEDIA_TYPE}.")
    lines = read_lines(request, longest=LONGEST_LINE, silent_seconds=SILENT_SECONDS)
    return await service.read_import(database, lines, mode=mode, caller=caller)


def _require_admin(roles: frozenset[str]) -> None:
    if "admin" not in roles:
        raise Forbidden("This requires the role admin.")
