"""Stripe's API, by its official client, with a bound around each call and two ways for it to fail."""
