"""Signing in with a password, and with a second factor."""
