"""Lobbies: rooms where players gather, by list, by link or by code."""
