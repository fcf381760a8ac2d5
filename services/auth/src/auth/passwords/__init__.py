"""Changing the password of the caller's account."""
