"""The row of an account, and its sign-in methods."""
