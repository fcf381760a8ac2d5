"""Codes of lobbies."""
