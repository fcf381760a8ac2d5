"""The host's commands on a lobby."""
