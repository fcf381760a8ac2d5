"""The live channel: the log of a lobby, delivered to sockets and event streams as it grows."""
