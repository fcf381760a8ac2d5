"""Lobbies: the rooms where players gather for games."""
