"""Which sessions ended before their access tokens did, told to every service."""
