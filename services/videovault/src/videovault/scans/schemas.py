"""Bodies of `/v1/scans`."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from videovault.files.walking import TroubleCode
from videovault.models import ScanStatus
from webcommon.api.schemas import RequestBody, ResponseBody, Timestamp

MOST_ERRORS = 1000
"""Errors that a result lists; `error_count` counts all."""

MOST_GROUPS = 100
"""Contents that `ambiguities` lists; `ambiguous` counts all."""


class NewScan(RequestBody):
    """What to scan, and how."""

    root_id: UUID | None = Field(None, description="Without it: all roots.")
    full: Annotated[bool, Field(strict=True)] = Field(
        False,
        description="Read all files again, also those whose size, time and inode are the same.",
        examples=[True],
    )


class FileError(BaseModel):
    """A file or a folder that the scan could not take."""

    path: str
    code: TroubleCode
    detail: str


class Ambiguity(BaseModel):
    """A content of several missing videos or new files that nothing tells apart: they stay missing and new."""

    missing: list[str]
    new: list[str]


class ScanResult(BaseModel):
    """What a scan has found so far."""

    added: int = Field(0, description="New videos.", examples=[12])
    moved: int = Field(0, description="Videos whose file is at another path.")
    changed: int = Field(0, description="Videos whose file has another content.")
    unchanged: int = Field(0, description="Files that are as they were.")
    missing: int = Field(0, description="Videos of these roots whose file is not there.")
    returned: int = Field(0, description="Videos that were missing, and whose file is back at its path.")
    hashed: int = Field(0, description="Files of which the identity was computed.")
    opened: int = Field(0, description="Files that were opened for that.")
    probed: int = Field(0, description="Films of which it was read what they hold.")
    ambiguous: int = Field(0, description="Contents of which nothing told which video is which file.")
    ambiguities: list[Ambiguity] = Field([], description=f"The first {MOST_GROUPS} of them.")
    error_count: int = 0
    errors: list[FileError] = Field([], description=f"The first {MOST_ERRORS:,}.")


class ScanBody(ResponseBody):
    """A scan. It goes on outside of the request; `result` grows until `status` is not `running` any more."""

    id: UUID
    root_ids: list[UUID]
    full: bool
    status: ScanStatus
    result: ScanResult
    created_at: Timestamp
    ended_at: Timestamp | None
