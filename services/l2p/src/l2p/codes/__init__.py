"""Codes of lobbies: generating them, and finding a lobby by one, with a limit of wrong guesses."""
