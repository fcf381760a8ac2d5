"""Signed URLs by which a player reads what belongs to a video, without a token, until the session ends."""
