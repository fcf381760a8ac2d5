"""Leases: which process drives a game, and since when it was silent."""
