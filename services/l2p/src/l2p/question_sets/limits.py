"""The limits of question sets and of the files that they are imported from. Lengths are in characters."""

MAXIMUM_SETS = 200
"""Sets a player."""

MAXIMUM_QUESTIONS = 500
MINIMUM_OPTIONS = 2
MAXIMUM_OPTIONS = 6

LONGEST_TITLE = 200
LONGEST_QUESTION = 1000
LONGEST_OPTION = 300
LONGEST_EXPLANATION = 2000

DEFAULT_POINTS = 1000
MAXIMUM_POINTS = 10_000
SHORTEST_MS = 5_000
LONGEST_MS = 120_000

MAXIMUM_ROWS = 2000
"""Rows or questions of a file."""

LARGEST_FILE = 10 * 1024 * 1024
"""Bytes."""

LARGEST_BODY = LARGEST_FILE + 64 * 1024
"""Bytes of a request with such a file, and of one with a whole set."""
