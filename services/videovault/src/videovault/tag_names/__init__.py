"""Aliases of tags, and tags above tags: how they are kept, and what a filter by a tag includes."""
