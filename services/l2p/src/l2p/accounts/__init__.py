"""Accounts of Learn2Play: registration and sign-in."""
