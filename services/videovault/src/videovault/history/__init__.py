"""How far users watched videos: heartbeats of players, the history, what to go on with."""
