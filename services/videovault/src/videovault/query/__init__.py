"""What a query means: docs/videovault-query.md."""
