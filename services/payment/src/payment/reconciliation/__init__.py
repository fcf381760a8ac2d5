"""Reconciliation: what Stripe has is compared with what is stored, and its truth applied."""
