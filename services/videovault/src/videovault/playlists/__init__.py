"""Playlists of a user's own, whose items are moved one by one."""
