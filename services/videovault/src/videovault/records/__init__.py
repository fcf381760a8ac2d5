"""The writes of videos and tags that editing, undo and sync share: by sets, with the rows locked in the order of their ids."""
