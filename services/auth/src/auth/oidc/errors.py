"""Errors of the OAuth endpoints, as in RFC 6749.

Refusal
├── OAuthRefusal              a JSON body with `error` (RFC 6749, section 5.2)
│   └── TemporarilyUnavailable  the same with 503: the client may try again
├── AuthorizationRefusal      sent to the client through the browser (RFC 6749, section 4.1.2.1)
└── UntrustedRequest          shown on a page: the redirect URI cannot be trusted
"""

from starlette.responses import JSONResponse

from webcommon.api.problems import ServiceUnavailable

NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
"""Headers of every response with a token or about one (RFC 6749, section 5.1)."""


class Refusal(Exception):
    """An error of the protocol: its code, and a description for the client's developer."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description


class OAuthRefusal(Refusal):
    """Answered as JSON: 401 for an unknown client, otherwise 400."""

    def answer(self) -> JSONResponse:
        """The response."""
        is_client = self.error == "invalid_client"
        headers = {**NOT_STORED, **({"WWW-Authenticate": 'Basic realm="quartet"'} if is_client else {})}
        body = {"error": self.error, "error_description": self.description}
        return JSONResponse(body, status_code=401 if is_client else 400, headers=headers)


class TemporarilyUnavailable(OAuthRefusal):
    """Answered as JSON with 503 and `Retry-After`, in seconds. RFC 6749 defines the code for the authorization endpoint only
    (section 4.1.2.1), but clients know it, and do not know problem documents."""

    def __init__(self, *, retry_after: int) -> None:
        super().__init__("temporarily_unavailable", "try again after the seconds in Retry-After")
        self.retry_after = retry_after

    def answer(self) -> JSONResponse:
        """The response."""
        response = super().answer()
        response.status_code = ServiceUnavailable.status
        response.headers["Retry-After"] = str(self.retry_after)
        return response


class AuthorizationRefusal(Refusal):
    """Answered by a redirect to the client's registered redirect URI."""


class UntrustedRequest(Refusal):
    """Answered by a page, since the client or its redirect URI is not registered, or ambiguous."""
