"""Question sets: a player's own questions, public or not; import and export of them."""
