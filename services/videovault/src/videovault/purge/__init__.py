"""Missing videos, deleted for good."""
