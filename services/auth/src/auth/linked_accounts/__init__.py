"""The accounts elsewhere that one may sign in with."""
