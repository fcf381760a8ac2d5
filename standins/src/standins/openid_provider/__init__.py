"""An OpenID provider that behaves like Google, for tests and for local trials."""
