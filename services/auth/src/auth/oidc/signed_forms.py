"""What the sign-in page carries from its request to its answer: signed, and bound to the browser that loaded it.

Another site can make a browser send a form, but not one that this browser was shown: it signs nobody in to a stranger's
account that way, and nobody's password is taken for a request that they did not see.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from dataclasses import dataclass

from auth.oidc.authorization_requests import AuthorizationRequest

FORM_SECONDS = 30 * 60
"""An older page is shown anew instead of being answered."""

_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, kw_only=True)
class SignInForm:
    """A request that a page of ours was shown for, and whether this browser may still answer it."""

    request: AuthorizationRequest
    is_good: bool


class SignInForms:
    """Writes and reads the hidden field of the page. `key` is the same on every replica."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, request: AuthorizationRequest, *, browser: str) -> str:
        """The field for this browser, which has `browser` as its cookie."""
        content = {"request": request.to_json(), "browser": _hash(browser), "at": int(time.time())}
        body = _encode(json.dumps(content).encode())
        return f"{body}.{_encode(self._sign(body))}"

    def read(self, field: str, *, browser: str | None) -> SignInForm | None:
        """The form, None when it is none of ours."""
        body, _, signature = field.partition(".")
        if not hmac.compare_digest(signature.encode(), _encode(self._sign(body)).encode()):
            return None
        content = json.loads(_decode(body))
        is_theirs = browser is not None and hmac.compare_digest(content["browser"], _hash(browser))
        return SignInForm(
            request=AuthorizationRequest.from_json(content["request"]),
            is_good=is_theirs and time.time() - content["at"] < FORM_SECONDS,
        )

    def _sign(self, body: str) -> bytes:
        return hmac.digest(self._key, body.encode("utf-8", "surrogatepass"), hashlib.sha256)


def choose_browser_cookie(sent: str | None) -> str:
    """The browser's cookie: the one it has, so that a page in another tab stays good, or a fresh one."""
    return sent if sent is not None and _COOKIE.fullmatch(sent) else secrets.token_urlsafe(32)


def cookie_name(*, is_secure: bool) -> str:
    """With https no other host, and no page without https, can set the cookie; without it browsers take no such name."""
    return "__Host-auth_sign_in" if is_secure else "auth_sign_in"


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
