"""Who is connected to which lobby: rows that belong to the heartbeat of a process."""
