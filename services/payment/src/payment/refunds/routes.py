"""`/v1/orders/{order_id}/refunds`, and `/v1/refunds` for admins."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from dbcommon.session import DatabaseDep
from payment.dependencies import AdminDep, CustomerDep, is_admin
from payment.listings.dependencies import PortionDep, StripeIdParameter
from payment.listings.service import answer_page
from payment.models import RefundStatus
from payment.orders.errors import OrderNotFound
from payment.payments.dependencies import StripeDep
from payment.refunds import service
from payment.refunds.errors import (
    InvalidRefundAmount,
    InvalidRestock,
    OrderDisputed,
    OrderNotRefundable,
    RefundRefused,
)
from payment.refunds.repository import REFUNDS
from payment.refunds.schemas import NewRefund, Refund, RefundList
from webcommon.api.idempotency.errors import IdempotencyKeyBusy, IdempotencyKeyMissing, IdempotencyKeyReused
from webcommon.api.idempotency.header import HEADER_IN_OPENAPI, IdempotencyKeyDep, answer_with
from webcommon.api.paging import Page
from webcommon.api.problems import Forbidden, InvalidRequest, Unauthorized, problem_responses
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep

router = APIRouter(prefix="/v1/orders/{order_id}/refunds", tags=["refunds"])
refunds_router = APIRouter(
    prefix="/v1/refunds", tags=["refunds"], responses=problem_responses(Unauthorized, Forbidden)
)

_UNKNOWN: dict[int | str, dict[str, Any]] = {
    202: {"model": Refund, "description": "Stripe did not answer; the same key tells later what came of it."}
}


@router.post(
    "",
    operation_id="create_refund",
    summary="Refund an order",
    status_code=201,
    response_model=Refund,
    responses=_UNKNOWN
    | problem_responses(
        IdempotencyKeyMissing,
        Unauthorized,
        Forbidden,
        OrderNotFound,
        IdempotencyKeyBusy,
        OrderNotRefundable,
        OrderDisputed,
        InvalidRequest,
        IdempotencyKeyReused,
        InvalidRefundAmount,
        InvalidRestock,
        RefundRefused,
    ),
    openapi_extra=HEADER_IN_OPENAPI,
)
async def create_refund(
    order_id: UUID,
    new: NewRefund,
    admin: AdminDep,
    key: IdempotencyKeyDep,
    database: DatabaseDep,
    stripe: StripeDep,
) -> Response:
    """All that is left, or an amount of it; parallel refunds never exceed what was paid. Admins only."""
    try:
        answer = await service.create_refund(database, stripe, order_id, new, admin=admin.id, key=key)
    except service.OutcomeUnknown as unknown:
        return Response(unknown.refund.model_dump_json(), status_code=202, media_type="application/json")
    return answer_with(answer)


@router.get(
    "",
    operation_id="list_order_refunds",
    summary="The refunds of an order",
    responses=problem_responses(Unauthorized, OrderNotFound),
)
async def list_order_refunds(order_id: UUID, caller: CustomerDep, database: DatabaseDep) -> RefundList:
    """Of an order of the caller, or of any for an admin."""
    is_staff = is_admin(caller)
    return await service.list_refunds(
        database, order_id, owner=None if is_staff else caller.id, is_admin=is_staff
    )


@refunds_router.get("", operation_id="list_refunds", summary="Refunds", response_model=Page[Refund])
@fast_path
async def list_refunds(
    _admin: AdminDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    portion: PortionDep,
    status: RefundStatus | None = None,
    stripe_id: StripeIdParameter = None,
) -> Response:
    """Admins only; newest first."""
    wanted = {"status": status, "stripe_id": stripe_id}
    return await answer_page(database, cursors, REFUNDS, portion, name="refunds", wanted=wanted)
