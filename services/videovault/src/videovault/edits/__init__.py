"""Videos changed, recorded anew by their path, moved and deleted: one or thousands at a time."""
