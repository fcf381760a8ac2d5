"""What goes over the wire about changes."""

from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue

from videovault.models import ChangeStatus, Entity
from webcommon.api.schemas import ResponseBody, Timestamp


class OperationBody(ResponseBody):
    """An act that can be undone."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"operation_id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"}]}
    )

    operation_id: UUID = Field(description="For `POST /v1/operations/{operation_id}/undo`, for 30 days.")


class BulkResult(OperationBody):
    """What an act did, which can be undone."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"operation_id": "019a2b3c-5a10-7c02-9f3e-6b1a7c8d9e0f", "changed": 12, "not_found": []}
            ]
        }
    )

    changed: int = Field(description="Videos that it changed or deleted.")
    not_found: list[UUID] = Field(description="Ids of no video.")


class ChangeBody(ResponseBody):
    """A change of one field."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "at": "1795372200500-00000-server",
                    "actor": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b",
                    "entity": "video",
                    "field": "title",
                    "old": None,
                    "new": "The harbour in the evening",
                    "operation_id": None,
                    "status": "applied",
                    "created_at": "2026-11-22T18:30:00.5Z",
                }
            ]
        }
    )

    at: str = Field(description="Its hybrid time, `ms-counter-device`: of two changes the later one holds.")
    actor: str = Field(description="The id of a user, `sql`, or the part of the service that made it.")
    entity: Entity
    field: str = Field(
        description="`*`: made or deleted as a whole; `metadata/<key>`; of a tag its category and name, folded."
    )
    old: JsonValue = Field(description="Null where there was no value.")
    new: JsonValue = Field(description="Null where no value is left.")
    operation_id: UUID | None
    status: ChangeStatus = Field(description="superseded: it was earlier than the value that holds.")
    created_at: Timestamp
