"""What a sign-in carries on its way to Google and back, and the cookie that ties it to one browser.

`nonce` and the PKCE verifier are derived from `state` under a key of the service. So they need not be kept, and whoever
sees the state in an address bar, or its hash in the database, cannot make them.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import timedelta

LIFETIME = timedelta(minutes=10)
"""A sign-in has to come back from Google in so long."""

_RANDOM = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """One sign-in's secrets."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)

    @property
    def challenge(self) -> str:
        """The verifier's challenge of the method S256 (RFC 7636)."""
        return challenge_of(self.verifier)


class BeginningCodec:
    """Makes what belongs to a state. `key` is the same on every replica."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def begin(self) -> Beginning:
        """A new one."""
        return self.recall(new_secret())

    def recall(self, state: str) -> Beginning:
        """The one of that state."""
        return Beginning(
            state=state, nonce=self._derive("nonce", state), verifier=self._derive("verifier", state)
        )

    def _derive(self, purpose: str, state: str) -> str:
        return _encode(hmac.digest(self._key, f"{purpose} {state}".encode(), hashlib.sha256))


def new_secret() -> str:
    """43 characters with 256 random bits."""
    return secrets.token_urlsafe(32)


def is_secret(text: str | None) -> bool:
    """Whether this could be one of `new_secret`."""
    return text is not None and _RANDOM.fullmatch(text) is not None


def hash_secret(text: str) -> str:
    """What is stored of one. It has 256 bits of its own, so one round of SHA-256 is enough."""
    return hashlib.sha256(text.encode()).hexdigest()


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier."""
    return _encode(hashlib.sha256(verifier.encode()).digest())


def cookie_name(*, secure: bool) -> str:
    """The cookie that ties a sign-in to its browser. With https no neighbouring host can set it (`__Host-`).

    Not the cookie of the sign-in page: that lives longer, and of two with one name a browser sends whichever it likes first.
    """
    return "__Host-auth_google" if secure else "auth_google"


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
