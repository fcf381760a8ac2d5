"""The `state`, `nonce` and PKCE verifier of a sign-in with Google, and the cookie that binds it to one browser.

Nonce and verifier are derived from the state with a key of the service. They need not be stored, and neither the state in an
address bar nor its hash in the database is enough to make them.
"""

import re
import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from webcommon.signing import encode_base64url, hash_base64url, sign

LIFETIME = timedelta(minutes=10)
"""How long after its start a sign-in can come back from Google."""

_RANDOM = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, kw_only=True)
class AuthorizationState:
    """The secrets of one sign-in."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)

    @property
    def challenge(self) -> str:
        """The S256 challenge of the verifier (RFC 7636)."""
        return hash_base64url(self.verifier.encode())


class AuthorizationStateCodec:
    """Derives nonce and verifier of a state. `key` is the same on every replica."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self) -> AuthorizationState:
        """A new random state, with what is derived from it."""
        return self.restore(new_secret())

    def restore(self, state: str) -> AuthorizationState:
        """A known state, with what is derived from it."""
        return AuthorizationState(
            state=state, nonce=self._derive("nonce", state), verifier=self._derive("verifier", state)
        )

    def _derive(self, purpose: str, state: str) -> str:
        return encode_base64url(sign(f"{purpose} {state}".encode(), key=self._key))


def new_secret() -> str:
    """43 characters with 256 random bits."""
    return secrets.token_urlsafe(32)


def is_secret(text: str | None) -> bool:
    """Whether the text has the form of `new_secret`."""
    return text is not None and _RANDOM.fullmatch(text) is not None


def cookie_name(*, secure: bool) -> str:
    """The name of the cookie that binds a sign-in to its browser. With https no other host can set it (`__Host-`).

    It differs from the sign-in page's: that one lives longer, and the order of two cookies with one name is undefined.
    """
    return "__Host-auth_google" if secure else "auth_google"
