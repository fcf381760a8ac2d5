"""Parameters and pages of lists."""

from functools import cached_property
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from videovault.mine.schemas import HIGHEST_RATING
from videovault.query.grammar import LONGEST_QUERY, MOST_TERMS, Term, parse_query
from videovault.videos.schemas import LARGEST_BIGINT, LARGEST_INTEGER, Criterion, MediaType, VideoBody
from webcommon.api.paging import DEFAULT_LIMIT, MAXIMUM_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.api.schemas import Digits, Moment, ResponseBody, Text

LONGEST_FOLDER = 4200
"""Characters: an id, and a path."""

COUNTED = 10_000
"""Videos; more are not counted."""

SORTS = (
    *("created_at", "file_name", "name", "duration_seconds", "file_size", "relevance"),
    *("watched_at", "rating"),
)
RANDOM = "random:"
SORT = rf"^(-?({'|'.join(SORTS)})|{RANDOM}[\s\S]{{1,64}})$"


def _check_terms(text: str) -> str:
    if len(parse_query(text)) > MOST_TERMS:
        raise ValueError(f"has more than {MOST_TERMS} terms")
    return text


def _check_folder(text: str) -> str:
    try:
        UUID(text.partition("/")[0])
    except ValueError:
        raise ValueError("write the id of a root, and behind a slash a folder in it") from None
    return text.rstrip("/")


Folder = Annotated[Text, Field(max_length=LONGEST_FOLDER), AfterValidator(_check_folder)]
"""The id of a root, or of a root and the path of a folder in it."""

FOLDER = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b/harbour"


class Filters(BaseModel):
    """What is looked for, and the page. Unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Digits = Field(DEFAULT_LIMIT, ge=1, le=MAXIMUM_LIMIT, description="Rows a page.")
    # Longer than other lists' cursors: it holds the last row's sort value, which may be a long name.
    cursor: str | None = Field(
        None, max_length=8192, description="`next_cursor` of the page before; none for the first page."
    )
    q: Annotated[Text, AfterValidator(_check_terms)] | None = Field(
        None,
        max_length=LONGEST_QUERY,
        description='Words of titles, names, folders and descriptions, "phrases", -exclusions and prefixes*; words of four'
        " letters and more also with a typo. docs/videovault-query.md says all.",
        examples=['harbour "summer evening" -rain'],
    )
    tag: list[Criterion] = Field(
        [],
        max_length=20,
        description="category:name, in any case. Repeated: all of them. With a minus in front: without this tag.",
        examples=[["time of day:evening", "-place:indoors"]],
    )
    mime_type: MediaType | None = None
    min_duration: Digits | None = Field(None, ge=0, le=LARGEST_INTEGER, description="Seconds.")
    max_duration: Digits | None = Field(None, ge=0, le=LARGEST_INTEGER, description="Seconds.")
    min_size: Digits | None = Field(None, ge=0, le=LARGEST_BIGINT, description="Bytes.")
    max_size: Digits | None = Field(None, ge=0, le=LARGEST_BIGINT, description="Bytes.")
    created_after: Moment | None = Field(None, description="RFC 3339, with its offset from UTC.")
    folder: Folder | None = Field(
        None, description="Files in that folder, `<root>/<path>`, and below.", examples=[FOLDER]
    )
    missing: Literal["yes", "no"] | None = Field(None, description="Whether the file is missing.")
    watched: Literal["yes", "no", "partial"] | None = Field(
        None, description="yes: you watched it to its end once; partial: you began it only; no: neither."
    )
    favourite: Literal["yes"] | None = Field(None, description="Your favourites.")
    min_rating: Digits | None = Field(None, ge=0, le=HIGHEST_RATING, description="By your own rating.")

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """The terms of `q`."""
        return parse_query(self.q or "")

    @cached_property
    def scope(self) -> str:
        """The name of the list, from its filters and its order: a cursor of another list is refused."""
        return f"{type(self).__name__} {self.model_dump_json(exclude={'limit', 'cursor'}, exclude_defaults=True)}"


class VideoQuery(Filters):
    """The filters, the order and the page of a list of videos."""

    sort: Annotated[Text, StringConstraints(pattern=SORT)] | None = Field(
        None,
        description="With a minus in front: the other way round. `name`: 2 before 10. `random:SEED`: an order of its own for"
        " each seed of 1 to 64 characters. By default relevance if `q` has a word, else -created_at. Unknown durations count"
        " as the shortest, and what you never watched or rated as the earliest and the lowest.",
        examples=["-file_size", "random:7"],
    )

    @property
    def order(self) -> str:
        """The order that is asked for, or the usual one."""
        return self.sort or ("relevance" if self.terms else "-created_at")


class TagQuery(Filters):
    """The filters of the videos whose tags are counted, and the page."""


class VideoPage(Page[VideoBody]):
    """A page of videos, and how many there are."""

    total: int | None = Field(description=f"The number of videos that match; null above {COUNTED}.")
    total_at_least: int | None = Field(
        description=f"{COUNTED} where there are more; null where `total` is known."
    )


class TagCount(ResponseBody):
    """A tag, and how many of the videos have it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"tag_category": "time of day", "tag_name": "evening", "count": 12}]}
    )

    tag_category: str
    tag_name: str
    count: int


class FolderQuery(BaseModel):
    """The folder whose folders are listed, and the page."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: LimitParameter = DEFAULT_LIMIT
    cursor: CursorParameter = None
    parent: Folder | None = Field(
        None, description="`<root>/<path>`; without it the roots are listed.", examples=[FOLDER]
    )


class FolderBody(ResponseBody):
    """A folder, with what is in it and below."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"folder": FOLDER, "name": "harbour", "videos": 12, "size": 8808038400}]
        }
    )

    folder: str = Field(description="As the filter and `parent` take it.")
    name: str = Field(description="Of a root its path.")
    videos: int
    size: int = Field(description="Bytes.")
