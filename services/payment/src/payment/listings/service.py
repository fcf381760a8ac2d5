"""The answer of a list."""

from collections.abc import Mapping
from typing import Any

from fastapi import Response

from dbcommon.engine import Database
from payment.listings.dependencies import Portion
from payment.listings.repository import Listing
from webcommon.api.paging import CursorCodec

EMPTY_PAGE = ("", None)
"""What `CursorCodec.json_page` takes for a page without items."""


async def answer_page(
    database: Database,
    cursors: CursorCodec,
    listing: Listing,
    portion: Portion,
    *,
    name: str,
    wanted: Mapping[str, Any],
) -> Response:
    """A page of the list, narrowed by what is not None in `wanted`. A cursor is of one name and one narrowing."""
    narrowed = {
        **wanted,
        "created_after": portion.created_after,
        "created_before": portion.created_before,
    }
    scope = f"{name} {narrowed}"
    position = cursors.decode(scope, portion.cursor)
    before = None if position is None else (position[0], position[1])
    page = await listing.find_page(database, before=before, limit=portion.limit, **narrowed)
    return cursors.json_page(page, scope=scope)
