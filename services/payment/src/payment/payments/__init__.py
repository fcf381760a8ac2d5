"""Paying an order: one thing at a time can be paid at Stripe, made from a stored attempt."""
