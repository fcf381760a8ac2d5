"""Accounts: registration, and what owners do with their own."""
