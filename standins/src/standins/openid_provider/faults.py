"""Faults that the provider can simulate."""

from enum import StrEnum


class Fault(StrEnum):
    """A fault, simulated while it is in `Provider.faults`."""

    WRONG_AUDIENCE = "wrong-audience"
    SECOND_AUDIENCE = "second-audience"
    WRONG_AUTHORIZED_PARTY = "wrong-authorized-party"
    WRONG_ISSUER = "wrong-issuer"
    WRONG_NONCE = "wrong-nonce"
    NO_NONCE = "no-nonce"
    EXPIRED = "expired"
    NO_EXPIRY = "no-expiry"
    ISSUED_LATER = "issued-later"
    ISSUED_LONG_AGO = "issued-long-ago"
    NO_SUBJECT = "no-subject"
    WRONG_SIGNATURE = "wrong-signature"
    NO_SIGNATURE = "no-signature"
    SIGNED_WITH_PUBLIC_KEY = "signed-with-public-key"
    SIGNED_WITH_CLIENT_SECRET = "signed-with-client-secret"
    UNKNOWN_KEY = "unknown-key"
    NO_ID_TOKEN = "no-id-token"
    FOREIGN_DISCOVERY = "foreign-discovery"
    DISCOVERY_DOWN = "discovery-down"
    KEYS_DOWN = "keys-down"
    TOKENS_DOWN = "tokens-down"
    TOKENS_SLOW = "tokens-slow"
    TOKENS_DRIPPING = "tokens-dripping"
    TOKENS_GARBLED = "tokens-garbled"
    TOKENS_ENDLESS = "tokens-endless"
    CODE_REVOKED = "code-revoked"
