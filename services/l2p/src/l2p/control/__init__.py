"""The host's commands on a running game. Any process takes them; the game's driver hears of them through the log."""
