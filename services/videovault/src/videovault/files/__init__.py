"""The files of videos: their paths, what they hold, and which video is which file."""
