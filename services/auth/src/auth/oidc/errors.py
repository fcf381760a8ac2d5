"""What the OAuth endpoints refuse, in the words of RFC 6749.

Refusal
├── OAuthRefusal              a JSON body with `error` (RFC 6749, section 5.2)
│   └── NotAtTheMoment        the same with 503, for what the client may ask again
├── AuthorizationRefusal      sent to the client by way of the browser (RFC 6749, section 4.1.2.1)
└── UntrustedRequest          shown to the person: where to send the browser is not known
"""

from starlette.responses import JSONResponse

from webcommon.api.problems import ServiceUnavailable

NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
"""Headers of every answer that holds a token, or that speaks of one (RFC 6749, section 5.1)."""


class Refusal(Exception):
    """An error of the protocol: its code, and a description for the client's developer."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description


class OAuthRefusal(Refusal):
    """Answered as JSON: 401 for a client that is not known, 400 for everything else."""

    def answer(self) -> JSONResponse:
        """The response."""
        is_client = self.error == "invalid_client"
        headers = {**NOT_STORED, **({"WWW-Authenticate": 'Basic realm="quartet"'} if is_client else {})}
        body = {"error": self.error, "error_description": self.description}
        return JSONResponse(body, status_code=401 if is_client else 400, headers=headers)


class NotAtTheMoment(OAuthRefusal):
    """Answered as JSON with 503 and `Retry-After`, in seconds. RFC 6749 has the code for the other endpoint only
    (section 4.1.2.1); clients know it, and know nothing of problem documents."""

    def __init__(self, *, retry_after: int) -> None:
        super().__init__("temporarily_unavailable", "try again after the seconds that Retry-After gives")
        self.retry_after = retry_after

    def answer(self) -> JSONResponse:
        """The response."""
        response = super().answer()
        response.status_code = ServiceUnavailable.status
        response.headers["Retry-After"] = str(self.retry_after)
        return response


class AuthorizationRefusal(Refusal):
    """Answered by sending the browser back to a redirect URI that is known to be the client's."""


class UntrustedRequest(Refusal):
    """Answered by a page: the client or its redirect URI is not registered, or not told apart."""
