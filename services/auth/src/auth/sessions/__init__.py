"""Sessions: signing in, refreshing, signing out."""
