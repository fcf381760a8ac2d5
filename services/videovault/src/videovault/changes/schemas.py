"""What goes over the wire about changes."""

from uuid import UUID

from pydantic import ConfigDict, Field

from webcommon.api.schemas import ResponseBody


class OperationBody(ResponseBody):
    """An act that can be undone."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"operation_id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"}]}
    )

    operation_id: UUID = Field(description="For `POST /v1/operations/{operation_id}/undo`, for 30 days.")
