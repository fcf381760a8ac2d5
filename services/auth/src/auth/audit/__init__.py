"""What happened to an account: an append-only record of ids, without personal data."""
