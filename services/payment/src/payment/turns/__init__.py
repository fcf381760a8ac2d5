"""Turns: work that one process at a time does, over all replicas, without a lock while it lasts."""
