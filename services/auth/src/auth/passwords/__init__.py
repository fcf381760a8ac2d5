"""Changing the password of the account that one is signed in to."""
