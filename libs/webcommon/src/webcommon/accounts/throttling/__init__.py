"""Rate limits: counters in PostgreSQL that all replicas share."""
