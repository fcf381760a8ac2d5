"""Sign-in with Google (OpenID Connect Core 1.0), and linked Google accounts."""
