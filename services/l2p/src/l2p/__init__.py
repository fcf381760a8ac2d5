"""Learn2Play: live quiz games in many lobbies."""

__version__ = "0.1.0"
