"""Players: their rows, whoever keeps their account, and what may be seen of them."""
