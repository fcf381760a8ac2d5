"""Signing in with a Google account (OpenID Connect Core 1.0), and what that links it to."""
