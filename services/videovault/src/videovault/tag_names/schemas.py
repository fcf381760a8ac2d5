"""Bodies and parameters of the routes of aliases and parents."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from videovault.videos.schemas import LONGEST_TAG, Category, TagWord
from webcommon.api.schemas import RequestBody, ResponseBody, Text

NAMED = r"^\s*[^:\s-][^:]*:[\s\S]*\S[\s\S]*$"

_ALIAS = {"tag_category": "place", "alias": "pier", "tag_name": "Quay"}
_PARENT = {
    "tag_category": "place",
    "tag_name": "Quay",
    "parent_category": "place",
    "parent_name": "Harbour",
}


def _check_named(text: str) -> str:
    category, colon, name = text.partition(":")
    if not (category.strip() and colon and name.strip()) or category.lstrip().startswith("-"):
        raise ValueError("write category:name")
    return text


NamedTag = Annotated[
    Text,
    Field(max_length=2 * LONGEST_TAG + 1, json_schema_extra={"pattern": NAMED}),
    AfterValidator(_check_named),
]
"""A tag as `category:name`; what is before the first colon is the category."""


def split_tag(named: str) -> tuple[str, str]:
    """Category and name of a `NamedTag`."""
    category, _, name = named.partition(":")
    return category.strip(), name.strip()


class NewAlias(RequestBody):
    """A name that is to stand for a tag of its category."""

    model_config = ConfigDict(json_schema_extra={"examples": [dict(_ALIAS)]})

    tag_category: Category
    alias: TagWord
    tag_name: TagWord


class AliasBody(ResponseBody):
    """A name that stands for a tag of its category."""

    model_config = ConfigDict(json_schema_extra={"examples": [dict(_ALIAS)]})

    tag_category: str
    alias: str
    tag_name: str


class NewParent(RequestBody):
    """A tag, and the tag that is to be above it."""

    model_config = ConfigDict(json_schema_extra={"examples": [dict(_PARENT)]})

    tag_category: Category
    tag_name: TagWord
    parent_category: Category
    parent_name: TagWord


class ParentBody(ResponseBody):
    """A tag, and the tag above it."""

    model_config = ConfigDict(json_schema_extra={"examples": [dict(_PARENT)]})

    tag_category: str
    tag_name: str
    parent_category: str
    parent_name: str


class NameQuery(BaseModel):
    """The alias, or the tag whose parent, is to go."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tag: NamedTag = Field(description="category:name, in any case.", examples=["place:pier"])
