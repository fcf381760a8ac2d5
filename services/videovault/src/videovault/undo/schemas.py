"""What undoing answers."""

from typing import Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from videovault.changes.schemas import OperationBody
from videovault.models import Entity
from webcommon.api.schemas import ResponseBody

Reason = Literal["changed-since", "path-taken"]


class KeptChange(ResponseBody):
    """A change of the operation that stays."""

    entity: Entity
    entity_id: UUID
    field: str
    reason: Reason = Field(
        description="changed-since: someone changed it after the operation; path-taken: another video has the path of before."
    )


class UndoResult(OperationBody):
    """What undoing did; `operation_id` is its own, by which it can be undone in turn."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "operation_id": "019a2b3c-5a10-7c02-9f3e-6b1a7c8d9e0f",
                    "undone": 11,
                    "kept": [
                        {
                            "entity": "video",
                            "entity_id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b",
                            "field": "title",
                            "reason": "changed-since",
                        }
                    ],
                }
            ]
        }
    )

    undone: int = Field(description="Changes that were taken back.")
    kept: list[KeptChange]
