"""How often something may be tried: counters in Postgres that all replicas share."""
