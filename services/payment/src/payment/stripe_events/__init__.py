"""Stripe's events: signed webhooks are stored, and a worker applies them."""
