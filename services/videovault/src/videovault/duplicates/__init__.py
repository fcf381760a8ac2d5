"""Videos whose files have one content: found by their identity, proved by their whole content, and merged."""
