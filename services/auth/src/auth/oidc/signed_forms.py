"""The hidden field of the sign-in page: the authorization request, signed and bound to the browser that loaded the page.

This is the protection against login CSRF: another site can make a browser submit a form, but not one that this browser was
shown.
"""

import hmac
import json
import re
import secrets
import time
from dataclasses import dataclass

from auth.oidc.authorization_requests import AuthorizationRequest
from webcommon.signing import decode_base64url, encode_base64url, hash_token, sign

FORM_SECONDS = 30 * 60
"""Maximum age of a page. The form of an older one is answered with a new page."""

_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, kw_only=True)
class SignInForm:
    """The authorization request of a page, and whether this browser may still submit its form."""

    request: AuthorizationRequest
    is_valid: bool


class SignInForms:
    """Writes and reads the hidden field. `key` is the same on every replica."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, request: AuthorizationRequest, *, browser: str) -> str:
        """The field for a browser. `browser`: the value of its cookie."""
        content = {"request": request.to_json(), "browser": hash_token(browser), "at": int(time.time())}
        body = encode_base64url(json.dumps(content).encode())
        return f"{body}.{encode_base64url(self._sign(body))}"

    def read(self, field: str, *, browser: str | None) -> SignInForm | None:
        """The form; None when the signature is wrong."""
        body, _, signature = field.partition(".")
        if not hmac.compare_digest(signature.encode(), encode_base64url(self._sign(body)).encode()):
            return None
        content = json.loads(decode_base64url(body))
        same_browser = browser is not None and hmac.compare_digest(content["browser"], hash_token(browser))
        return SignInForm(
            request=AuthorizationRequest.from_json(content["request"]),
            is_valid=same_browser and time.time() - content["at"] < FORM_SECONDS,
        )

    def _sign(self, body: str) -> bytes:
        return sign(body.encode("utf-8", "surrogatepass"), key=self._key)


def choose_browser_cookie(sent: str | None) -> str:
    """The browser's present cookie, so that pages in other tabs stay valid, or a new one."""
    return sent if sent is not None and _COOKIE.fullmatch(sent) else secrets.token_urlsafe(32)


def cookie_name(*, is_secure: bool) -> str:
    """The name of the cookie. `__Host-` keeps other hosts and pages without https from setting it; browsers accept that prefix
    with https only."""
    return "__Host-auth_sign_in" if is_secure else "auth_sign_in"
