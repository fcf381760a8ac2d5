"""Just-in-time provisioning: a caller's row in `users` is made when their token is first seen, and follows later tokens."""
