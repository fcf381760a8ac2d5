"""`/v1/orders/{order_id}/payment`, `…/checkout` and `…/cancel`, and `/v1/payments`."""

from uuid import UUID

from fastapi import APIRouter, Response

from dbcommon.session import DatabaseDep
from payment.dependencies import CustomerDep, SettingsDep, is_admin
from payment.history.repository import By
from payment.listings.dependencies import PortionDep, StripeIdParameter
from payment.models import PaymentStatus
from payment.orders.errors import OrderNotFound
from payment.orders.schemas import Order
from payment.orders.service import read_order
from payment.payments import service
from payment.payments.dependencies import StripeDep
from payment.payments.errors import (
    AmountNotChargeable,
    CheckoutUrlRefused,
    OrderNotCancellable,
    OrderNotPayable,
    PaymentAttemptsExceeded,
    PaymentBusy,
    PaymentNotFound,
    PaymentProcessing,
    PaymentUnderReview,
)
from payment.payments.schemas import Checkout, NewCheckout, Payment, PaymentProgress, PaymentToConfirm
from payment.stripe_api.errors import StripeUnavailable
from webcommon.api.paging import Page
from webcommon.api.problems import InvalidRequest, Unauthorized, problem_responses
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep

router = APIRouter(prefix="/v1/orders/{order_id}", tags=["payments"])
payments_router = APIRouter(prefix="/v1/payments", tags=["payments"])

_REFUSALS = (
    Unauthorized,
    OrderNotFound,
    OrderNotPayable,
    PaymentProcessing,
    PaymentBusy,
    PaymentUnderReview,
    AmountNotChargeable,
    PaymentAttemptsExceeded,
    StripeUnavailable,
)


@router.post(
    "/payment",
    operation_id="start_payment",
    summary="Pay an order",
    responses=problem_responses(*_REFUSALS),
)
async def start_payment(
    order_id: UUID, caller: CustomerDep, database: DatabaseDep, stripe: StripeDep, settings: SettingsDep
) -> PaymentToConfirm:
    """Makes or returns the one live PaymentIntent of the caller's order; the browser confirms it with the client secret."""
    return await service.start_payment(
        database, stripe, order_id, owner=caller.id, publishable_key=settings.publishable_key or ""
    )


@router.get(
    "/payment",
    operation_id="read_order_payment",
    summary="How the payment of an order stands",
    responses=problem_responses(Unauthorized, OrderNotFound),
)
async def read_order_payment(order_id: UUID, caller: CustomerDep, database: DatabaseDep) -> PaymentProgress:
    """The payment of an order of the caller, or of any for an admin."""
    owner = None if is_admin(caller) else caller.id
    return await service.read_payment(database, order_id, owner=owner, viewer=caller.id)


@router.post(
    "/checkout",
    operation_id="start_checkout",
    summary="Pay an order on Stripe's page",
    responses=problem_responses(*_REFUSALS, InvalidRequest, CheckoutUrlRefused),
)
async def start_checkout(
    order_id: UUID,
    checkout: NewCheckout,
    caller: CustomerDep,
    database: DatabaseDep,
    stripe: StripeDep,
    settings: SettingsDep,
) -> Checkout:
    """Makes or returns the one open Checkout session of the caller's order; a PaymentIntent of it is cancelled first."""
    return await service.start_checkout(
        database, stripe, order_id, checkout, owner=caller.id, allowed=settings.checkout_origins
    )


@router.post(
    "/cancel",
    operation_id="cancel_order",
    summary="Cancel an order",
    responses=problem_responses(
        Unauthorized, OrderNotFound, OrderNotCancellable, PaymentProcessing, PaymentBusy, StripeUnavailable
    ),
)
async def cancel_order(
    order_id: UUID, caller: CustomerDep, database: DatabaseDep, stripe: StripeDep
) -> Order:
    """A pending order only; what can be paid at Stripe is closed first. By its owner or an admin."""
    is_staff = is_admin(caller)
    owner = None if is_staff else caller.id
    by = By(cause="admin" if is_staff else "buyer", actor_id=caller.id)
    await service.cancel_order(database, stripe, order_id, by, owner=owner)
    return await read_order(database, order_id, owner=owner)


@payments_router.get(
    "",
    operation_id="list_payments",
    summary="Payments",
    response_model=Page[Payment],
    responses=problem_responses(Unauthorized),
)
@fast_path
async def list_payments(
    caller: CustomerDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    portion: PortionDep,
    status: PaymentStatus | None = None,
    stripe_id: StripeIdParameter = None,
) -> Response:
    """The payments of the caller's orders, or all for an admin, newest first."""
    owner = None if is_admin(caller) else caller.id
    return await service.list_payments(
        database, cursors, portion, owner=owner, status=status, stripe_id=stripe_id
    )


@payments_router.get(
    "/{payment_id}",
    operation_id="read_payment",
    summary="One payment",
    response_model=Payment,
    responses=problem_responses(Unauthorized, PaymentNotFound),
)
@fast_path
async def read_payment(payment_id: UUID, caller: CustomerDep, database: DatabaseDep) -> Response:
    """The payment of an order of the caller, or any for an admin."""
    return await service.show_payment(database, payment_id, owner=None if is_admin(caller) else caller.id)
