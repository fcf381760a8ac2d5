"""Drives games: the process that holds a game's lease ends its phases when the database's clock says so."""
