"""Bodies and parameters of `/v1/videos`."""

import re
import unicodedata
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
)

from webcommon.api.schemas import JsonObject, RequestBody, ResponseBody, Text, Timestamp

LARGEST_INTEGER = 2**31 - 1
LARGEST_BIGINT = 2**63 - 1
LONGEST_TAG = 200
MAX_TAGS = 100
"""Tags of a video."""
MOST_VIDEOS = 5000
"""Videos of a batch, or of one act."""

MEDIA_TYPE = r"^([!#$&^_.+\-0-9A-Za-z]+/[!#$&^_.+\-0-9A-Za-z]+)([ \t]*;[\t -~]*)?$"
CATEGORY = r"^\s*[^:\s-][^:]*$"
CRITERION = r"^-?[^:]*[^:\s][^:]*:[\s\S]*\S[\s\S]*$"


def _normalise_media_type(text: str) -> str:
    match = re.fullmatch(MEDIA_TYPE, text)
    if match is None:
        raise ValueError("not a media type such as video/mp4 (RFC 9110, section 8.3.1)")
    # Type and subtype are case-insensitive; a parameter's value (codecs="avc1.42E01E") may not be.
    return match[1].lower() + (match[2] or "")


def _check_tag_word(text: str) -> str:
    if not text:
        raise ValueError("is empty")
    # The index holds the NFKC form, which can be 18 times as long.
    if len(unicodedata.normalize("NFKC", text)) > LONGEST_TAG:
        raise ValueError(f"has more than {LONGEST_TAG} characters")
    return text


def _escape_mark(path: str) -> str:
    # By this byte the table marks a path that a video had to leave (`files.paths`).
    return path.replace("\x01", r"\x01")


def _check_category(text: str) -> str:
    if ":" in text or text.startswith("-"):
        raise ValueError(
            "must not contain a colon or begin with a minus: these are the syntax of the filter tag=category:name"
        )
    return text


def _check_criterion(text: str) -> str:
    category, colon, name = text.removeprefix("-").partition(":")
    if not (category.strip() and colon and name.strip()):
        raise ValueError("write category:name, or -category:name to exclude")
    return text


Path = Annotated[Text, Field(min_length=1, max_length=4096), AfterValidator(_escape_mark)]
Name = Annotated[Text, Field(min_length=1, max_length=512)]
Size = Annotated[int, Field(strict=True, ge=0, le=LARGEST_BIGINT)]
Seconds = Annotated[int, Field(strict=True, ge=0, le=LARGEST_INTEGER)]
# The patterns are for the OpenAPI document; the validators give readable messages.
Title = Annotated[Text, Field(min_length=1, max_length=512)]
Description = Annotated[Text, Field(min_length=1, max_length=16384)]
Hash = Annotated[Text, Field(min_length=1, max_length=256)]
MediaType = Annotated[
    str,
    Field(max_length=255, json_schema_extra={"pattern": MEDIA_TYPE}),
    AfterValidator(_normalise_media_type),
]
TagWord = Annotated[
    Text,
    Field(max_length=LONGEST_TAG),
    StringConstraints(strip_whitespace=True),
    AfterValidator(_check_tag_word),
]
Category = Annotated[TagWord, Field(json_schema_extra={"pattern": CATEGORY}), AfterValidator(_check_category)]
Criterion = Annotated[
    Text,
    Field(max_length=2 * LONGEST_TAG + 2, json_schema_extra={"pattern": CRITERION}),
    AfterValidator(_check_criterion),
]

EXAMPLE: dict[str, Any] = {
    "file_path": "/films/harbour/2026-08-01 evening.mp4",
    "file_name": "2026-08-01 evening.mp4",
    "file_size": 734003200,
    "mime_type": "video/mp4",
    "duration_seconds": 1284,
    "title": "The harbour in the evening",
    "description": None,
    "metadata": {"width": 1920, "height": 1080},
    "hash": "5a1f0c9e2b7d4e83a6c0f1d2e3b4a596",
    "tags": [{"tag_name": "evening", "tag_category": "time of day"}],
}


class NewTag(RequestBody):
    """A tag to put on a video."""

    tag_name: TagWord = Field(examples=["evening"])
    tag_category: Category = Field(examples=["time of day"])


class NewVideo(RequestBody):
    """A video to record. The path is kept as it is given and never opened."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    file_path: Path
    file_name: Name
    file_size: Size = Field(description="Bytes.")
    mime_type: MediaType
    duration_seconds: Seconds | None = Field(None, description="Null when it is not known.")
    title: Title | None = None
    description: Description | None = None
    metadata: JsonObject | None = Field(
        None, description="Any JSON object; null is the same as an empty one."
    )
    hash: Hash | None = Field(None, description="Several videos may have the same hash.")
    tags: list[NewTag] = Field(
        [],
        max_length=MAX_TAGS,
        description="Spellings that differ only in case or Unicode form are one tag; the first is kept.",
    )


class TagBody(ResponseBody):
    """A tag of a video."""

    tag_name: str
    tag_category: str


class VideoBody(ResponseBody):
    """A recorded video."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b",
                    **EXAMPLE,
                    "missing_since": None,
                    "created_at": "2026-11-22T18:30:00Z",
                    "updated_at": "2026-11-22T18:30:00Z",
                }
            ]
        }
    )

    id: UUID
    file_path: str
    file_name: str
    file_size: int
    mime_type: str
    duration_seconds: int | None
    title: str | None
    description: str | None
    metadata: dict[str, JsonValue]
    hash: str | None
    tags: list[TagBody] = Field(description="By category, then name.")
    missing_since: Timestamp | None = Field(
        description="Since when a scan does not find the file; null while it is there, or was never looked for."
    )
    created_at: Timestamp
    updated_at: Timestamp
