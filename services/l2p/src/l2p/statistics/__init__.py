"""Statistics: a player's numbers and finished games."""
