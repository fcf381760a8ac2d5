"""Tags put on videos and taken off, of one video or of thousands, and renamed everywhere."""
