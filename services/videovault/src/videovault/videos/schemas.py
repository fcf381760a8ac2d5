"""Bodies and parameters of `/v1/videos`."""

import math
import re
import unicodedata
from functools import cached_property
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
)

from webcommon.api.paging import DEFAULT_LIMIT, MAXIMUM_LIMIT
from webcommon.api.schemas import Digits, Moment, RequestBody, ResponseBody, Text, Timestamp

LARGEST_INTEGER = 2**31 - 1
LARGEST_BIGINT = 2**63 - 1
LONGEST_TAG = 200
DEEPEST_METADATA = 32

MEDIA_TYPE = r"^([!#$&^_.+\-0-9A-Za-z]+/[!#$&^_.+\-0-9A-Za-z]+)([ \t]*;[\t -~]*)?$"
CATEGORY = r"^\s*[^:\s-][^:]*$"
CRITERION = r"^-?[^:]*[^:\s][^:]*:[\s\S]*\S[\s\S]*$"


def _normalise_media_type(text: str) -> str:
    match = re.fullmatch(MEDIA_TYPE, text)
    if match is None:
        raise ValueError("not a media type such as video/mp4 (RFC 9110, section 8.3.1)")
    # Type and subtype know no case; a parameter's value (codecs="avc1.42E01E") may.
    return match[1].lower() + (match[2] or "")


def _check_tag_word(text: str) -> str:
    if not text:
        raise ValueError("is empty")
    # Unicode's compatibility form can be 18 times as long, and it is what the index holds.
    if len(unicodedata.normalize("NFKC", text)) > LONGEST_TAG:
        raise ValueError(f"has more than {LONGEST_TAG} characters")
    return text


def _check_category(text: str) -> str:
    if ":" in text or text.startswith("-"):
        raise ValueError(
            "must not hold a colon nor begin with a minus: in the filter tag=category:name they mean something"
        )
    return text


def _check_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """Refuse what PostgreSQL's jsonb cannot keep: NUL, half a surrogate pair, numbers that are none."""
    level: list[Any] = [metadata]
    for _ in range(DEEPEST_METADATA):
        level = [part for value in level for part in _look_into(value)]
        if not level:
            return metadata
    raise ValueError(f"is nested deeper than {DEEPEST_METADATA} levels")


def _look_into(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        _check_storable(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("holds a number that JSON does not know")
    return []


def _check_storable(text: str) -> None:
    if "\x00" in text:
        raise ValueError("holds a NUL character; remove it")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("holds half of a surrogate pair; remove it") from None


def _check_criterion(text: str) -> str:
    category, colon, name = text.removeprefix("-").partition(":")
    if not (category.strip() and colon and name.strip()):
        raise ValueError("write category:name, or -category:name to exclude")
    return text


Path = Annotated[Text, Field(min_length=1, max_length=4096)]
Name = Annotated[Text, Field(min_length=1, max_length=512)]
Size = Annotated[int, Field(strict=True, ge=0, le=LARGEST_BIGINT)]
Seconds = Annotated[int, Field(strict=True, ge=0, le=LARGEST_INTEGER)]
# The patterns are for the description of the API; the validators say in words what is wrong.
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
Metadata = Annotated[dict[str, JsonValue], AfterValidator(_check_metadata)]
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
    metadata: Metadata | None = Field(None, description="Any JSON object; none is the same as an empty one.")
    hash: Annotated[Text, Field(min_length=1, max_length=256)] | None = Field(
        None, description="Several videos may have the same."
    )
    tags: list[NewTag] = Field(
        [],
        max_length=100,
        description="Spellings that differ in case or Unicode form only are one tag, as it is written first.",
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
    metadata: dict[str, JsonValue]
    hash: str | None
    tags: list[TagBody] = Field(description="By category, then name.")
    created_at: Timestamp
    updated_at: Timestamp


Sort = Literal[
    "created_at",
    "-created_at",
    "file_name",
    "-file_name",
    "duration_seconds",
    "-duration_seconds",
    "file_size",
    "-file_size",
]


class VideoQuery(BaseModel):
    """Which videos, in which order, and which page of them. Parameters that are not named here are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Digits = Field(DEFAULT_LIMIT, ge=1, le=MAXIMUM_LIMIT, description="Rows a page.")
    # A cursor holds the last row's sort value, and the longest file name takes more than other lists' cursors may.
    cursor: str | None = Field(
        None, max_length=8192, description="`next_cursor` of the page before; leave out for the first."
    )
    sort: Sort = Field(
        "-created_at", description="A minus: largest first. Unknown durations count as the shortest."
    )
    tag: list[Criterion] = Field(
        [],
        max_length=20,
        description="category:name, whatever the case; repeated: all of them; with a minus in front: without it.",
        examples=[["time of day:evening", "-place:indoors"]],
    )
    mime_type: MediaType | None = None
    min_duration: Digits | None = Field(None, ge=0, le=LARGEST_INTEGER, description="Seconds.")
    max_duration: Digits | None = Field(None, ge=0, le=LARGEST_INTEGER, description="Seconds.")
    min_size: Digits | None = Field(None, ge=0, le=LARGEST_BIGINT, description="Bytes.")
    max_size: Digits | None = Field(None, ge=0, le=LARGEST_BIGINT, description="Bytes.")
    created_after: Moment | None = Field(None, description="RFC 3339, with its offset from UTC.")

    @cached_property
    def scope(self) -> str:
        """Names the list that a cursor belongs to: its filters and its order."""
        return f"videos {self.model_dump_json(exclude={'limit', 'cursor'}, exclude_defaults=True)}"
