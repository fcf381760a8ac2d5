"""Who buys: the rows of `users`, which follow the access tokens."""
