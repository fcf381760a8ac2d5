"""The entities whose rows are fields alone: their tables, and the writes that editing, undo and sync share."""
