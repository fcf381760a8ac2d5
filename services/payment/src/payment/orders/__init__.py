"""Orders, at the catalogue's prices of the time they are placed."""
