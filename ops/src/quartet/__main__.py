"""`python -m quartet` is `quartet`."""

from quartet.cli import app

app()
