"""Keyset paging: a page begins after the last row of the one before, so page 10,000 costs what page 1 costs.

The cursor is opaque: the last row's sort values, signed. A cursor that was changed or belongs to another list is refused.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, Field

from webcommon.api.problems import InvalidRequest
from webcommon.api.schemas import Digits
from webcommon.signing import decode_base64url, encode_base64url, is_signed, sign

MAXIMUM_LIMIT = 100
DEFAULT_LIMIT = 50
LONGEST_CURSOR = 4096
"""Characters."""

_SIGNATURE_BYTES = 16

_to_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
"""Made once, since json.dumps with options makes one for each call."""

Item = TypeVar("Item")

CursorValue = str | int | float | bool | datetime | UUID | None


class Page(BaseModel, Generic[Item]):
    """A page of a list. `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None = Field(description="Pass it as `cursor` to get the next page; null on the last.")


LimitParameter = Annotated[Digits, Query(ge=1, le=MAXIMUM_LIMIT, description="Rows a page.")]
CursorParameter = Annotated[
    str | None,
    Query(
        max_length=LONGEST_CURSOR, description="`next_cursor` of the page before; leave out for the first."
    ),
]


class CursorCodec:
    """Writes and reads cursors. `secret` is the same on every replica of a service."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def encode(self, scope: str, values: Sequence[CursorValue]) -> str:
        """The cursor after a row with these sort values. `scope` names the list, its sort and filters included."""
        body = _to_json([_pack(value) for value in values]).encode()
        signature = sign(_message(scope, body), key=self._secret, length=_SIGNATURE_BYTES)
        return encode_base64url(signature + body)

    def decode(self, scope: str, cursor: str | None) -> list[Any] | None:
        """The sort values, with their types; None without a cursor. Raises `InvalidRequest` for a cursor of another list."""
        if cursor is None:
            return None
        try:
            raw = decode_base64url(cursor)
        except ValueError:
            raise _refused() from None
        signature, body = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if not is_signed(signature, _message(scope, body), key=self._secret, length=_SIGNATURE_BYTES):
            raise _refused()
        return [_unpack(value) for value in json.loads(body)]

    def json_page(self, page: Iterable[Any], *, scope: str, more: str = "") -> Response:
        """The response of a page of `dbcommon.json_rows.prepare_page`: a `Page`, with a cursor when more rows follow.

        `more`: JSON of further fields, with a comma in front."""
        items, *position = page
        cursor = "null" if None in position else f'"{self.encode(scope, position)}"'
        return Response(f'{{"items":[{items}],"next_cursor":{cursor}{more}}}', media_type="application/json")


def _message(scope: str, body: bytes) -> bytes:
    return len(scope).to_bytes(4, "big") + scope.encode() + body


def _refused() -> InvalidRequest:
    detail = "the cursor is not one of this list; leave it out to begin at the first page"
    return InvalidRequest(detail, pointer="#query/cursor")


def _pack(value: CursorValue) -> Any:
    if isinstance(value, datetime):
        return {"t": value.isoformat()}
    if isinstance(value, UUID):
        return {"u": value.hex}
    return value


def _unpack(value: Any) -> CursorValue:
    if isinstance(value, dict):
        return datetime.fromisoformat(value["t"]) if "t" in value else UUID(value["u"])
    scalar: CursorValue = value
    return scalar
