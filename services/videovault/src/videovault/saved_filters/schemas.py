"""What goes over the wire about saved filters."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, JsonValue, ValidationError

from videovault.listing.schemas import VideoQuery
from webcommon.api.schemas import JsonObject, RequestBody, ResponseBody, Text, Timestamp

LONGEST_NAME = 200


def _read_query(query: dict[str, Any]) -> dict[str, Any]:
    if paged := query.keys() & {"limit", "cursor"}:
        raise ValueError(f"{', '.join(sorted(paged))}: of a page, not of a list")
    try:
        read = VideoQuery.model_validate(query)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise ValueError(f"{'/'.join(map(str, fault['loc']))}: {fault['msg']}") from None
    return read.model_dump(mode="json", exclude_defaults=True)


Name = Annotated[Text, Field(min_length=1, max_length=LONGEST_NAME)]
Query = Annotated[JsonObject, AfterValidator(_read_query)]

SYNCED: Mapping[str, Any] = {"name": Name, "query": Query}
"""The fields of an operation of sync, and their types."""

_EXAMPLE: dict[str, Any] = {
    "name": "Evenings",
    "query": {"q": "harbour", "tag": ["time of day:evening"], "sort": "-rating"},
}


class NewSavedFilter(RequestBody):
    """A list to save."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: Name
    query: Query = Field(description="Parameters of `GET /v1/videos`, but for `limit` and `cursor`.")


class SavedFilterBody(ResponseBody):
    """A saved list."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b",
                    **_EXAMPLE,
                    "created_at": "2026-11-22T18:30:00Z",
                }
            ]
        }
    )

    id: UUID
    name: str
    query: dict[str, JsonValue]
    created_at: Timestamp
