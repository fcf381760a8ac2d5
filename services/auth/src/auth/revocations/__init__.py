"""The feed of sessions that ended before their access tokens expire."""
