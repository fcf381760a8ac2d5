"""Seats that many take at once: joining a lobby, and getting ready in it."""
