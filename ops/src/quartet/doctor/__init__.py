"""`quartet doctor`: checks of the running system, each with what to do about what it finds."""
