"""What goes over the wire in sync."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from videovault.models import Entity, OperationStatus
from webcommon.api.problems import ProblemDocument
from webcommon.api.schemas import RequestBody, ResponseBody, Timestamp

MOST_OPERATIONS = 1000
"""Operations of one request."""

MOST_CHANGES = 1000
"""Changes of one answer."""

_OP: dict[str, Any] = {
    "op_id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b",
    "entity": "video",
    "id": "019a2b3c-5a10-7c02-9f3e-6b1a7c8d9e0f",
    "field": "title",
    "value": "The harbour in the evening",
    "at": "1795372200500-00000-phone",
}


class DeviceOperation(BaseModel):
    """A change that a device made. Each is judged by itself; only `op_id` has to be right for all to be read."""

    model_config = ConfigDict(extra="allow", frozen=True)

    op_id: UUID = Field(
        description="Of the device's own making: an operation is done once, however often it is sent."
    )
    entity: Any = Field(None, description="video, or tag, whose id is its video's.")
    id: Any = None
    field: Any = Field(
        None,
        description="A field of the video, `metadata/<key>`, or `*` for the whole record; of a tag `category:name`, folded.",
    )
    value: Any = Field(
        None,
        description="Null deletes, with `*`. Of a tag: adds `{at: [category, name]}` with this operation's time, and `removes`,"
        " the times of the adds that the device has seen.",
    )
    at: Any = Field(None, description="Hybrid time, `ms-counter-device`.")


class SyncRequest(RequestBody):
    """What a device changed, and where its last pull ended."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"device_id": "phone", "ops": [_OP], "checkpoint": None, "limit": 500}]
        }
    )

    device_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,40}$")]
    ops: Annotated[list[DeviceOperation], Field(max_length=MOST_OPERATIONS)] = Field(default_factory=list)
    checkpoint: Annotated[str, Field(max_length=1024)] | None = Field(
        None, description="That of the answer before; null pulls from the beginning."
    )
    limit: Annotated[int, Field(strict=True, ge=1, le=MOST_CHANGES)] = Field(
        500, description="Changes of the answer, at most."
    )


class OperationResult(ResponseBody):
    """What became of an operation."""

    op_id: UUID
    status: OperationStatus
    problem: ProblemDocument | None = Field(None, description="Why it was refused.")


class PulledChange(ResponseBody):
    """A change that holds, as an operation is written."""

    entity: Entity
    id: UUID
    field: str
    value: JsonValue = Field(
        description="Of a whole record with the times of its fields in `clocks`; of a tag its `adds` and `removes`."
    )
    at: str
    actor: str


class SyncResult(ResponseBody):
    """What became of the operations, and what changed since the checkpoint, in order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "results": [{"op_id": _OP["op_id"], "status": "applied", "problem": None}],
                    "changes": [
                        {
                            **{name: _OP[name] for name in ("entity", "id", "field", "value", "at")},
                            "actor": _OP["id"],
                        }
                    ],
                    "checkpoint": "qJ0bVw",
                    "has_more": False,
                }
            ]
        }
    )

    results: list[OperationResult]
    changes: list[PulledChange]
    checkpoint: str = Field(description="For the next call, once the changes are stored.")
    has_more: bool = Field(description="Whether more changes follow at once.")


class RefusedOperation(ResponseBody):
    """An operation that was refused, as it was sent, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "op_id": _OP["op_id"],
                    "device_id": "phone",
                    "op": _OP,
                    "problem": {
                        "type": "/problems/clock",
                        "title": "The device's clock is ahead",
                        "status": 422,
                    },
                    "created_at": "2026-11-22T18:30:00Z",
                }
            ]
        }
    )

    op_id: UUID
    device_id: str
    op: dict[str, JsonValue]
    problem: ProblemDocument
    created_at: Timestamp
