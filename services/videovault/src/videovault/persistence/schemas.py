"""The answer of `GET /v1/persistence`."""

from typing import Literal

from pydantic import ConfigDict, Field

from webcommon.api.schemas import ResponseBody


class Persistence(ResponseBody):
    """Where the library is kept, and why, or what is wrong with it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"mode": "server", "reason": None}]})

    mode: Literal["server", "client"] = Field(
        description="server: in this service's database; client: in the browser."
    )
    reason: str | None = Field(
        description="Why there is no database, or what is wrong with it; null when all is well."
    )
