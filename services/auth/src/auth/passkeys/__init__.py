"""Passkeys (WebAuthn): registering one, signing in with it, and removing it."""
