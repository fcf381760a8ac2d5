"""An OpenID provider that signs people in as Google does, for tests and for trying the sign-in on one machine."""
