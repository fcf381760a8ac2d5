"""Ratings: what a finished game does to those of its players."""
