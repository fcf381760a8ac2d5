"""`/v1/orders`. Customers see their own orders, admins see all."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from dbcommon.session import DatabaseDep
from payment.dependencies import CustomerDep, ProvisionerDep, SettingsDep, is_admin
from payment.listings.dependencies import PortionDep
from payment.models import OrderStatus
from payment.orders import service
from payment.orders.errors import (
    AmountTooLarge,
    AmountTooSmall,
    DuplicateSku,
    MixedCurrencies,
    OrderNotFound,
    OutOfStock,
    ProductNotForSale,
)
from payment.orders.schemas import NewOrder, Order
from webcommon.api.idempotency.errors import IdempotencyKeyBusy, IdempotencyKeyMissing, IdempotencyKeyReused
from webcommon.api.idempotency.header import HEADER_IN_OPENAPI, IdempotencyKeyDep, answer_with
from webcommon.api.paging import Page
from webcommon.api.problems import Forbidden, InvalidRequest, Unauthorized, problem_responses
from webcommon.api.schemas import Text
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep
from webcommon.auth.bearer import Caller

router = APIRouter(prefix="/v1/orders", tags=["orders"])


def _owner(caller: Caller) -> UUID | None:
    """The customer whose orders the caller sees; None for all."""
    return None if is_admin(caller) else caller.id


@router.post(
    "",
    operation_id="create_order",
    summary="Place an order",
    status_code=201,
    response_model=Order,
    responses=problem_responses(
        IdempotencyKeyMissing,
        Unauthorized,
        IdempotencyKeyBusy,
        OutOfStock,
        InvalidRequest,
        IdempotencyKeyReused,
        DuplicateSku,
        ProductNotForSale,
        MixedCurrencies,
        AmountTooSmall,
        AmountTooLarge,
    ),
    openapi_extra=HEADER_IN_OPENAPI,
)
async def create_order(
    caller: CustomerDep,
    key: IdempotencyKeyDep,
    new: NewOrder,
    database: DatabaseDep,
    provisioner: ProvisionerDep,
    settings: SettingsDep,
) -> Response:
    """Prices and total come from the catalogue. Limited stock is reserved until `expires_at`; then the order expires."""
    reservation = timedelta(seconds=settings.reservation_seconds)
    answer = await service.place_order(
        database, provisioner, new, caller=caller, key=key, reservation=reservation
    )
    return answer_with(answer)


@router.get(
    "",
    operation_id="list_orders",
    summary="Orders",
    response_model=Page[Order],
    responses=problem_responses(Unauthorized, Forbidden),
)
@fast_path
async def list_orders(
    caller: CustomerDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    portion: PortionDep,
    status: OrderStatus | None = None,
    q: Annotated[
        Text | None,
        Query(
            max_length=320,
            description="Admins only: an order's id, an id at Stripe (`pi_`, `ch_`, `cs_`, `re_`, `du_`), or a receipt's number finds"
            " that order, an e-mail address the orders of its user.",
        ),
    ] = None,
) -> Response:
    """The caller's orders, or all for an admin, newest first."""
    if q is not None and not is_admin(caller):
        raise Forbidden("Only admins search.")
    return await service.list_orders(database, cursors, portion, owner=_owner(caller), status=status, q=q)


@router.get(
    "/{order_id}",
    operation_id="read_order",
    summary="One order",
    responses=problem_responses(Unauthorized, OrderNotFound),
)
async def read_order(order_id: UUID, caller: CustomerDep, database: DatabaseDep) -> Order:
    """An order of the caller, or any for an admin."""
    return await service.read_order(database, order_id, owner=_owner(caller))
