"""Accounts: registering one, and reading one's own."""
