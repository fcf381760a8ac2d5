"""The tables of `payment_db`, a file for each aggregate."""

from payment.models.base import CURRENCY_SHAPE, Model
from payment.models.idempotency import IdempotencyKey
from payment.models.orders import Order, OrderItem, OrderStatus
from payment.models.payments import Payment, PaymentStatus
from payment.models.products import Product
from payment.models.users import USER_COLUMNS, User

__all__ = [
    "CURRENCY_SHAPE",
    "USER_COLUMNS",
    "IdempotencyKey",
    "Model",
    "Order",
    "OrderItem",
    "OrderStatus",
    "Payment",
    "PaymentStatus",
    "Product",
    "User",
]
