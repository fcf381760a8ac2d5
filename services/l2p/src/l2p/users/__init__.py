"""Players: reading their rows."""
