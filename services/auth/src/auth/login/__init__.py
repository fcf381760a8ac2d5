"""Signing in: the password, the second factor, and the session that begins."""
