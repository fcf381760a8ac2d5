"""Accounts of Learn2Play itself: registering one, and signing in."""
