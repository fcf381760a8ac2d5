"""The refusals of Payment: their classes, statuses and slugs."""

from tests.error_tree import draw_error_tree

TREE = """
Problem
├── AmountNotChargeable: 422 amount-not-chargeable
├── BadRequest
│   └── InvalidStripeEvent: 400 invalid-stripe-event
├── CheckoutUrlRefused: 422 checkout-url-refused
├── Conflict
│   ├── NoReceiptYet: 409 no-receipt-yet
│   ├── OrderDisputed: 409 order-disputed
│   ├── OrderNotCancellable: 409 order-not-cancellable
│   ├── OrderNotPayable: 409 order-not-payable
│   ├── OrderNotRefundable: 409 order-not-refundable
│   ├── OutOfStock: 409 out-of-stock
│   ├── PaymentBusy: 409 payment-busy
│   ├── PaymentProcessing: 409 payment-processing
│   ├── PaymentUnderReview: 409 payment-under-review
│   ├── SkuTaken: 409 sku-taken
│   ├── StockReserved: 409 stock-reserved
│   └── WebhookEndpointDisabled: 409 webhook-endpoint-disabled
├── NotFound
│   ├── OrderNotFound: 404 order-not-found
│   ├── PaymentNotFound: 404 payment-not-found
│   ├── ProductNotFound: 404 product-not-found
│   ├── WebhookDeliveryNotFound: 404 webhook-delivery-not-found
│   └── WebhookEndpointNotFound: 404 webhook-endpoint-not-found
├── RefundRefused: 422 refund-refused
├── RequestRefused
│   ├── AmountTooLarge: 422 amount-too-large
│   ├── AmountTooSmall: 422 amount-too-small
│   ├── DuplicateSku: 422 duplicate-sku
│   ├── InvalidRefundAmount: 422 invalid-refund-amount
│   ├── InvalidRestock: 422 invalid-restock
│   ├── MixedCurrencies: 422 mixed-currencies
│   └── ProductNotForSale: 422 product-not-for-sale
├── ServiceUnavailable
│   ├── PdfUnavailable: 503 pdf-unavailable
│   └── StripeUnavailable: 503 stripe-unavailable
└── TooManyRequests
    └── PaymentAttemptsExceeded: 429 payment-attempts-exceeded
"""


def test_the_tree_of_errors_is_as_drawn() -> None:
    assert draw_error_tree("payment") == TREE.strip()
