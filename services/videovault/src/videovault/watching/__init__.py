"""What is a user's own of videos, as filters and orders of lists."""
