"""Whose request it is: access tokens, the keys that prove them, and sessions that have ended."""
