"""The host's commands on a lobby: who may be in it, who hosts it, and its rules."""
