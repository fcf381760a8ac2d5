"""OAuth 2.0 and OpenID Connect for programs that know nothing of this service but its URL."""
