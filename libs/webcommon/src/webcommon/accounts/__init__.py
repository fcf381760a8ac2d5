"""What services with accounts share: credentials, limits of guesses, users stored from tokens."""
