"""`/v1/scans`."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from dbcommon.session import DatabaseDep
from videovault.dependencies import ReaderDep, read_caller, require_editor, require_persistence
from videovault.errors import NoPersistence
from videovault.roots.errors import RootNotFound
from videovault.scans import service
from videovault.scans.dependencies import ScanWorkerDep
from videovault.scans.errors import NoRoots, ScanNotFound
from videovault.scans.events import ScanEvents
from videovault.scans.schemas import NewScan, ScanBody
from webcommon.api.problems import Forbidden, ServiceUnavailable, Unauthorized, problem_responses

router = APIRouter(
    prefix="/v1/scans",
    tags=["scans"],
    dependencies=[Depends(require_persistence)],
    responses=problem_responses(Unauthorized, Forbidden, NoPersistence, ServiceUnavailable),
)

LOCATION_HEADER: dict[str, Any] = {
    "Location": {"description": "The path of the scan.", "schema": {"type": "string"}}
}


@router.post(
    "",
    operation_id="begin_scan",
    summary="Scan a root, or all",
    status_code=202,
    response_model=ScanBody,
    responses={
        200: {
            "description": "Another scan is at the root: this one.",
            "model": ScanBody,
            "headers": LOCATION_HEADER,
        },
        202: {"headers": LOCATION_HEADER},
        **problem_responses(RootNotFound, NoRoots),
    },
    dependencies=[Depends(require_editor)],
)
async def begin_scan(body: NewScan, database: DatabaseDep, worker: ScanWorkerDep) -> Response:
    """Begin a scan, which goes on after the answer. Only files that are new or changed are opened, unless it is `full`."""
    scan, is_new = await service.begin_scan(database, body)
    worker.wake()
    return Response(
        scan.model_dump_json(),
        status_code=202 if is_new else 200,
        headers={"Location": f"{router.prefix}/{scan.id}"},
        media_type="application/json",
    )


@router.get(
    "/{scan_id}",
    operation_id="read_scan",
    summary="Read how far a scan is",
    responses=problem_responses(ScanNotFound),
    dependencies=[Depends(read_caller)],
)
async def read_scan(scan_id: UUID, database: DatabaseDep) -> ScanBody:
    """The scan, with what it has found so far."""
    return await service.read_scan(database, scan_id)


@router.get(
    "/{scan_id}/events",
    operation_id="follow_scan",
    summary="Follow a scan by server-sent events",
    status_code=200,
    response_class=ScanEvents,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **problem_responses(ScanNotFound),
    },
)
async def follow_scan(scan_id: UUID, caller: ReaderDep, database: DatabaseDep) -> ScanEvents:
    """Events `progress`, each with the scan as `GET /v1/scans/{scan_id}` gives it; the last one when the scan has ended."""
    return ScanEvents(database, await service.read_scan(database, scan_id), caller)


@router.delete(
    "/{scan_id}",
    operation_id="cancel_scan",
    summary="Cancel a scan",
    status_code=204,
    responses=problem_responses(ScanNotFound),
    dependencies=[Depends(require_editor)],
)
async def cancel_scan(scan_id: UUID, database: DatabaseDep) -> None:
    """End a scan that runs. What it has found stays, and the next one finds the rest."""
    await service.cancel_scan(database, scan_id)
