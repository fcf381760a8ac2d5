"""What a player needs to play a video."""
