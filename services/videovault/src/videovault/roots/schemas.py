"""Bodies of `/v1/roots`."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from webcommon.api.schemas import RequestBody, ResponseBody, Text, Timestamp

FolderPath = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=4096,
        pattern="^/",
        description="Absolute. A byte that is not UTF-8 is `\\xNN`.",
        examples=["/srv/films"],
    ),
]


class NewRoot(RequestBody):
    """A folder to scan."""

    path: FolderPath


class Relocation(RequestBody):
    """Where a root's folder is now."""

    path: FolderPath
    force: Annotated[bool, Field(strict=True)] = Field(
        False, description="Also to a folder with none of the files that are known."
    )


class RootBody(ResponseBody):
    """A folder whose files are videos."""

    id: UUID
    path: str = Field(description="The real path.", examples=["/srv/films"])
    scan_id: UUID | None = Field(description="The scan that is at it.")
    created_at: Timestamp
