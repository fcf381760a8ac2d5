"""Refunds: held in the ledger first, sent to Stripe from a stored row, and known to have ended only by what Stripe says."""
