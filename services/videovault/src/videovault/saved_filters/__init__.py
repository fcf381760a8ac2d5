"""Lists that a user saved by name."""
