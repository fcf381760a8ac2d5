"""Scores: what an answer earns, counted by PostgreSQL when a question closes."""
