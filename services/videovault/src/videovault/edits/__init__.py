"""Videos changed, moved and deleted: one or thousands at a time."""
