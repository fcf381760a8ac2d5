"""What administrators do to accounts. No route shows or sets a password."""
