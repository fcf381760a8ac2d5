"""Verification: whether the books, and what follows from them, hold."""
