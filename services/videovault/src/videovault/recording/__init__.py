"""Videos recorded by their paths: one, a batch, or a stream of any length."""
