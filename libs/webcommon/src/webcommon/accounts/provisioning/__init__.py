"""Just-in-time provisioning: the caller's first token creates their row in `users`, and later tokens update it."""
