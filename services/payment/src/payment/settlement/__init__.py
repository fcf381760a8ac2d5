"""Settlement: what Stripe's objects say becomes the state of an order, its payment, refunds and disputes, and the ledger."""
