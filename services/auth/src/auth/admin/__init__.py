"""Administration of accounts. No route shows or sets a password."""
