"""Second factors: one-time codes of an app (TOTP), recovery codes, and the sign-ins that need them."""
