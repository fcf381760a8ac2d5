"""Base of request bodies, and field types that several services share."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer


class RequestBody(BaseModel):
    """A JSON body. Unknown fields are refused with 422 rather than ignored: a misspelt field must not pass silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ResponseBody(BaseModel):
    """A JSON answer, made from a row or an object with attributes of the same names."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


def _refuse_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("holds a NUL character; remove it")
    return text


Text = Annotated[str, AfterValidator(_refuse_nul)]
"""Text that PostgreSQL can store: every Unicode character but NUL."""


def _in_utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


Timestamp = Annotated[datetime, PlainSerializer(_in_utc, return_type=str, when_used="json")]
"""A moment, written as RFC 3339 in UTC."""
