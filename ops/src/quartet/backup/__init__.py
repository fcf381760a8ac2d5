"""Backups of the four databases: made, listed, and restored."""
