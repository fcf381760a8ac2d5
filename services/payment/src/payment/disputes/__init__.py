"""Disputes and inquiries, as Stripe tells of them."""
