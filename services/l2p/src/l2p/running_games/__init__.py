"""The running game of a lobby, as the lobby sees it: who takes part, and its end."""
