"""Leaderboards: who has the highest rating, score or number of wins, of all time or in a period."""
