"""Answers of players: collected for a few milliseconds, and stored in one statement a game."""
