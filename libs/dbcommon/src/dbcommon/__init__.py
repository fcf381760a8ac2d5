"""What the four services share for their database: connection strings, pool, sessions, health, migrations."""
