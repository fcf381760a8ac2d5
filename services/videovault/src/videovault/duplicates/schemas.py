"""Bodies of the routes of duplicates."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from videovault.changes.schemas import OperationBody
from webcommon.api.schemas import RequestBody, ResponseBody, Timestamp

MOST_SHOWN = 100
"""Videos of a group that are shown, and of a merge."""

MOST_PROVED = 1000
"""Files of one request to prove."""

_ID = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"
_OTHER_ID = "019a2b3c-5a10-7c02-9f3e-6b1a7c8d9e0f"
_COPY: dict[str, Any] = {
    "id": _ID,
    "file_path": "/films/harbour.mp4",
    "missing_since": None,
    "created_at": "2026-11-22T18:30:00Z",
    "proof": "none",
    "full_hash": None,
    "detail": None,
}


class Copy(ResponseBody):
    """A video of a group."""

    id: UUID
    file_path: str
    missing_since: Timestamp | None
    created_at: Timestamp
    proof: Literal["none", "waiting", "proved", "failed"] = Field(
        description="Whether its whole content is known, which ends with the next change of the file."
    )
    full_hash: str | None = Field(description="BLAKE3 of the whole content.")
    detail: str | None = Field(description="Why its content could not be read.")


class Group(ResponseBody):
    """Videos whose files have one size, one beginning and one end."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "hash": "5793a36b0a7dbd4a721da626c8aa18be",
                    "file_size": 734003200,
                    "count": 2,
                    "proved": False,
                    "videos": [_COPY, {**_COPY, "id": _OTHER_ID, "file_path": "/films/copy.mp4"}],
                }
            ]
        }
    )

    hash: str = Field(description="Their identity.")
    file_size: int
    count: int
    proved: bool = Field(description="All of them have one content.")
    videos: list[Copy] = Field(description=f"The oldest {MOST_SHOWN} of them.")


class ProofRequest(RequestBody):
    """Videos whose whole files are to be read."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"video_ids": [_ID, _OTHER_ID]}]})

    video_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_PROVED)]


class ProofsBegun(ResponseBody):
    """What will be read."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"waiting": 2, "not_found": []}]})

    waiting: int = Field(description="Files that will be read, one after another.")
    not_found: list[UUID] = Field(description="Ids of no video whose file a scan has found.")


class MergeRequest(RequestBody):
    """A video to keep, and the others, which become it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"keep": _ID, "merge": [_OTHER_ID]}]})

    keep: UUID
    merge: Annotated[list[UUID], Field(min_length=1, max_length=MOST_SHOWN)]


class MergeResult(OperationBody):
    """A merge, which can be undone."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"operation_id": _ID, "merged": 1}]})

    merged: int = Field(description="Videos that were deleted for it; their files stay.")
