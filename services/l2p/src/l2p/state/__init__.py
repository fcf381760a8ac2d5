"""The state of a lobby and its running game, as one statement reads it: enough to play by."""
