"""Why a payment is refused."""

from webcommon.api.problems import Conflict, NotFound, Problem, TooManyRequests


class PaymentNotFound(NotFound):
    """404: no payment has this id, or it is of another customer's order."""

    title = "There is no such payment"
    slug = "payment-not-found"


class OrderNotPayable(Conflict):
    """409: the order is paid, cancelled, or expired."""

    title = "The order cannot be paid"
    slug = "order-not-payable"


class OrderNotCancellable(Conflict):
    """409: the order is paid, or closed already."""

    title = "The order cannot be cancelled"
    slug = "order-not-cancellable"


class PaymentProcessing(Conflict):
    """409: a payment is on its way, a bank debit for example; Stripe will say how it ended."""

    title = "A payment is being processed"
    slug = "payment-processing"


class PaymentBusy(Conflict):
    """409: other requests change how the order is paid, faster than this one could."""

    title = "Other requests are paying or cancelling this order"
    slug = "payment-busy"


class PaymentUnderReview(Conflict):
    """409: money came that did not fit the order; an admin decides."""

    title = "A payment of this order is under review"
    slug = "payment-under-review"


class AmountNotChargeable(Problem):
    """422: Stripe does not charge this amount or currency."""

    status = 422
    title = "Stripe does not charge this amount"
    slug = "amount-not-chargeable"


class CheckoutUrlRefused(Problem):
    """422: a URL to return to is not on the allow-list."""

    status = 422
    title = "A URL to return to is not allowed"
    slug = "checkout-url-refused"


class PaymentAttemptsExceeded(TooManyRequests):
    """429: too many declines in an hour, or too many open orders (card testing)."""

    title = "Too many attempts to pay"
    slug = "payment-attempts-exceeded"
