"""`/v1/orders/{order_id}/timeline`."""

from uuid import UUID

from fastapi import APIRouter, Response

from dbcommon.session import DatabaseDep
from payment.dependencies import CustomerDep, is_admin
from payment.orders.errors import OrderNotFound
from payment.timeline import service
from payment.timeline.schemas import TimelineEvent
from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.api.problems import Unauthorized, problem_responses
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep

router = APIRouter(prefix="/v1/orders/{order_id}/timeline", tags=["orders"])


@router.get(
    "",
    operation_id="list_order_events",
    summary="What happened to an order",
    response_model=Page[TimelineEvent],
    responses=problem_responses(Unauthorized, OrderNotFound),
)
@fast_path
async def list_order_events(
    order_id: UUID,
    caller: CustomerDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    limit: LimitParameter = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Response:
    """Every change of a status, oldest first, of an order of the caller, or of any for an admin."""
    viewer = None if is_admin(caller) else caller.id
    return await service.list_events(database, cursors, order_id, viewer=viewer, limit=limit, cursor=cursor)
