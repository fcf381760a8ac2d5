"""The timeline of an order."""

from uuid import UUID

from fastapi import Response

from dbcommon.engine import Database
from payment.orders.errors import OrderNotFound
from payment.timeline import repository
from webcommon.api.paging import CursorCodec


async def list_events(
    database: Database,
    cursors: CursorCodec,
    order_id: UUID,
    *,
    viewer: UUID | None,
    limit: int,
    cursor: str | None,
) -> Response:
    """A `Page[TimelineEvent]`, oldest first, as its customer `viewer` sees it; None for an admin. Raises `OrderNotFound`."""
    scope = f"timeline {order_id} {viewer}"
    position = cursors.decode(scope, cursor)
    after = None if position is None else position[0]
    *page, is_found = await repository.find_page(database, order_id, viewer=viewer, after=after, limit=limit)
    if not is_found:
        raise OrderNotFound
    return cursors.json_page(page, scope=scope)
