"""What stands in the tokens of a sign-in that no registered client has part in."""

FIRST_PARTY_CLIENT = "quartet"
"""`client_id` of a sign-in by password, which no registered client was part of."""

EVERY_SCOPE = "openid profile email"
"""Of a sign-in by password; a client may ask for less. It chooses what ID tokens and userinfo tell."""
