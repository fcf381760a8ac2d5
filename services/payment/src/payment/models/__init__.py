"""The tables of `payment_db`, a file for each aggregate."""

from payment.models.base import CURRENCY_SHAPE, Model
from payment.models.disputes import Dispute
from payment.models.idempotency import IdempotencyKey
from payment.models.ledger import Account, LedgerEntry, ReceiptSeries
from payment.models.orders import Order, OrderFlag, OrderItem, OrderStatus
from payment.models.payment_events import Cause, Decline, PaymentEvent, Subject
from payment.models.payments import AttemptKind, AttemptOutcome, Payment, PaymentAttempt, PaymentStatus
from payment.models.products import Product
from payment.models.refunds import Refund, RefundReason, RefundStatus
from payment.models.stripe_events import StripeEvent
from payment.models.turns import Turn, TurnName
from payment.models.users import USER_COLUMNS, StripeCustomer, User
from payment.models.webhook_endpoints import (
    DeliveryStatus,
    DisabledReason,
    EndpointStatus,
    OrderEventType,
    OutgoingEvent,
    OutgoingEventType,
    WebhookDelivery,
    WebhookEndpoint,
)

__all__ = [
    "CURRENCY_SHAPE",
    "USER_COLUMNS",
    "Account",
    "AttemptKind",
    "AttemptOutcome",
    "Cause",
    "Decline",
    "DeliveryStatus",
    "DisabledReason",
    "Dispute",
    "EndpointStatus",
    "IdempotencyKey",
    "LedgerEntry",
    "Model",
    "Order",
    "OrderEventType",
    "OrderFlag",
    "OrderItem",
    "OrderStatus",
    "OutgoingEvent",
    "OutgoingEventType",
    "Payment",
    "PaymentAttempt",
    "PaymentEvent",
    "PaymentStatus",
    "Product",
    "ReceiptSeries",
    "Refund",
    "RefundReason",
    "RefundStatus",
    "StripeCustomer",
    "StripeEvent",
    "Subject",
    "Turn",
    "TurnName",
    "User",
    "WebhookDelivery",
    "WebhookEndpoint",
]
