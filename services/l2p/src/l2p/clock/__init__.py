"""The database's clock, by which games go."""
