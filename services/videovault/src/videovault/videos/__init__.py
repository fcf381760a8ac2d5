"""Videos: recorded, listed, read and deleted."""
