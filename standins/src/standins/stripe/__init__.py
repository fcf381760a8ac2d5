"""A stand-in for Stripe, for tests and for local trials. Its state is in memory and ends with the process."""
