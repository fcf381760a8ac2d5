"""Why a refund is refused."""

from payment.orders.errors import RequestRefused
from webcommon.api.problems import Conflict, Problem


class OrderNotRefundable(Conflict):
    """409: the order has no money to give back."""

    title = "The order cannot be refunded"
    slug = "order-not-refundable"


class OrderDisputed(Conflict):
    """409: the buyer's bank has disputed the payment, and Stripe refunds nothing of it."""

    title = "The payment is disputed"
    slug = "order-disputed"


class InvalidRefundAmount(RequestRefused):
    """422: the amount is none of this currency, or more than is left."""

    title = "This amount cannot be refunded"
    slug = "invalid-refund-amount"


class InvalidRestock(RequestRefused):
    """422: a SKU is not in the order, or more pieces come back than were sold."""

    title = "These pieces cannot come back"
    slug = "invalid-restock"


class RefundRefused(Problem):
    """422: Stripe refuses the refund."""

    status = 422
    title = "Stripe refuses the refund"
    slug = "refund-refused"
