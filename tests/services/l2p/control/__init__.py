"""The host's commands on a running game."""
