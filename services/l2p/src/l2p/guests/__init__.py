"""Guests: players without an account, by a nickname in one lobby."""
