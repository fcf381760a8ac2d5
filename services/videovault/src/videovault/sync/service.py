"""Sync: what a device changed is merged, and what changed since its checkpoint is given."""

import json
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import Response
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.constraints import violated_constraint
from dbcommon.engine import Database
from videovault.entities.registry import ENTITIES
from videovault.sync import repository
from videovault.sync.errors import CheckpointExpired, RefusedNotFound
from videovault.sync.operations import read_operation
from videovault.sync.rows import merge_rows
from videovault.sync.schemas import DeviceOperation, OperationResult, SyncRequest
from videovault.sync.writing import PathTakenMeanwhile, merge_operations
from webcommon.api.paging import CursorCodec
from webcommon.api.problems import InvalidRequest, Problem, problem_document
from webcommon.auth.bearer import Caller

ATTEMPTS = 5
"""How often operations are merged anew because somebody took a path, or made a row, meanwhile."""

RETRIED = {"uq_videos_file_path", *(f"pk_{rows.table}" for rows in ENTITIES.values())}


async def sync(database: Database, request: SyncRequest, *, caller: Caller, cursors: CursorCodec) -> Response:
    """A `SyncResult`. Raises `CheckpointExpired`, and `InvalidRequest` for a checkpoint that is none of the caller's."""
    start = await _read_checkpoint(database, request.checkpoint, caller=caller, cursors=cursors)
    results = await _push(database, request, caller=caller) if request.ops else []
    stream, oid, xid, seq = start
    rows = await repository.pull(database, caller.id, xid=xid, seq=seq, limit=request.limit + 1)
    given = rows[: request.limit]
    if given:
        xid, seq = given[-1].xid, given[-1].seq
    checkpoint = cursors.encode(_scope(caller), [stream, oid, xid, seq])
    told = ",".join(result.model_dump_json() for result in results)
    changes = ",".join(row.item for row in given)
    has_more = json.dumps(len(rows) > len(given))
    body = f'{{"results":[{told}],"changes":[{changes}],"checkpoint":"{checkpoint}","has_more":{has_more}}}'
    return Response(body, media_type="application/json")


def _scope(caller: Caller) -> str:
    return f"sync {caller.id}"


async def _read_checkpoint(
    database: Database, checkpoint: str | None, *, caller: Caller, cursors: CursorCodec
) -> tuple[UUID, int, int, int]:
    try:
        position = cursors.decode(_scope(caller), checkpoint)
    except InvalidRequest:
        raise InvalidRequest(
            "the checkpoint is none that was given to you; leave it out to pull from the beginning",
            pointer="#/checkpoint",
        ) from None
    now = await repository.read_stream(database)
    if position is None:
        return now.stream, now.database_oid, -1, -1
    stream, oid, xid, seq = position
    if (stream, oid) != (now.stream, now.database_oid) or xid >= now.next_xid:
        raise CheckpointExpired("Pull from the beginning, and push only what waits in the queue.")
    return stream, oid, xid, seq


async def _push(database: Database, request: SyncRequest, *, caller: Caller) -> list[OperationResult]:
    for attempt in range(ATTEMPTS):
        try:
            async with database.transaction() as db:
                return await _push_once(db, request, caller=caller)
        except PathTakenMeanwhile:
            if attempt == ATTEMPTS - 1:
                raise
        except IntegrityError as error:
            if violated_constraint(error) not in RETRIED or attempt == ATTEMPTS - 1:
                raise
    raise AssertionError  # pragma: no cover - the last attempt returns or raises


async def _push_once(db: AsyncSession, request: SyncRequest, *, caller: Caller) -> list[OperationResult]:
    sent = {op.op_id: op for op in request.ops}
    new = await repository.claim_operations(db, caller.id, device_id=request.device_id, op_ids=sent)
    known = await repository.read_results(db, caller.id, op_ids=sent.keys() - new)
    results = {
        op_id: OperationResult(op_id=op_id, status=row.status, problem=row.problem)
        for op_id, row in known.items()
    }
    now_ms = time.time_ns() // 1_000_000
    valid = []
    refusals: dict[UUID, Problem] = {}
    for op_id, op in sent.items():
        if op_id in new:
            try:
                valid.append(read_operation(op_id, op.model_dump(), caller=caller, now_ms=now_ms))
            except Problem as problem:
                refusals[op_id] = problem
    of_videos = [operation for operation in valid if operation.entity in ("video", "tag")]
    statuses, more = await merge_operations(db, of_videos, actor=str(caller.id))
    of_rows = [operation for operation in valid if operation.entity in ENTITIES]
    row_statuses, row_refusals = await merge_rows(db, of_rows, caller_id=caller.id)
    statuses |= row_statuses
    documents = {op_id: _document(problem) for op_id, problem in (refusals | more | row_refusals).items()}
    for op_id in new:
        status = "refused" if op_id in documents else statuses[op_id]
        results[op_id] = OperationResult(op_id=op_id, status=status, problem=documents.get(op_id))
    if new:
        await repository.settle_operations(
            db, caller.id, results=[_settled(results[op_id], sent[op_id], documents) for op_id in new]
        )
    return [results[op.op_id] for op in request.ops]


def _document(problem: Problem) -> dict[str, Any]:
    document = problem_document(problem, path=None)
    document.pop("request_id", None)
    return document


def _settled(
    result: OperationResult, op: DeviceOperation, documents: Mapping[UUID, Mapping[str, Any]]
) -> dict[str, Any]:
    problem = documents.get(result.op_id)
    sent = _as_sent(op) if problem else None
    return {"op_id": str(result.op_id), "status": result.status, "op": sent, "problem": problem}


def _as_sent(op: DeviceOperation) -> str:
    try:
        return json.dumps(op.model_dump(), default=str, allow_nan=False)
    except ValueError:  # NaN, which JSON does not know
        return json.dumps({"op_id": str(op.op_id)})


async def list_refused(
    database: Database, *, caller: Caller, cursors: CursorCodec, cursor: str | None, limit: int
) -> Response:
    """A `Page[RefusedOperation]` of the caller's, oldest first."""
    scope = f"refused {caller.id}"
    page = await repository.find_refused_page(database, caller.id, cursors.decode(scope, cursor), limit=limit)
    return cursors.json_page(page, scope=scope)


async def dismiss_refused(db: AsyncSession, op_id: UUID, *, caller: Caller) -> None:
    """Take an operation off the caller's list. Raises `RefusedNotFound`."""
    if not await repository.dismiss(db, caller.id, op_id):
        raise RefusedNotFound
