"""Pages of a sign-in with Google for a standard client: the redirect to Google, and errors."""

from html import escape
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse

from auth.oidc.authorization_requests import AuthorizationRequest
from auth.oidc.dependencies import StandardClients
from auth.oidc.responses import answer_with_page
from auth.web.pages import show_page

_RESERVED = ":/%#?=@[]!$&'()*+,;"

_ERRORS = {
    "access_denied": "You cancelled at Google. Try again, or sign in another way.",
    "email_reserved": "This address belonged to another account until a few days ago. Try again in a week, or sign in"
    " another way.",
    "email_unverified": "Google has not verified your e-mail address. Verify it there, or sign in another way.",
    "provider_unavailable": "Google does not answer. Try again in a moment, or sign in another way.",
    "sign_in_refused": "This sign-in was refused. Sign in another way.",
    "state_expired": "You were at Google for too long. Try again, or sign in another way.",
    "state_used": "This sign-in with Google was used already. Begin again.",
}
_OTHER_ERROR = "Signing in with Google failed. Try again, or sign in another way."


def redirect_to_google(address: str) -> HTMLResponse:
    """A page that goes on to Google by itself, without script.

    Not a redirect: Chromium applies `form-action` to every redirect after a form, and those at Google are not known here, so
    the sign-in page would have to allow its forms any target.
    """
    response = show_page("On to Google", f'<p><a href="{escape(address)}">Go on to Google</a></p>')
    response.headers["Refresh"] = f"0; url={quote(address, safe=_RESERVED)}"
    return response


def show_google_error(
    request: Request, authorization: AuthorizationRequest, error_code: str, *, clients: StandardClients
) -> HTMLResponse:
    """The sign-in page again, with the error, and with every other sign-in method."""
    status = 503 if error_code == "provider_unavailable" else 403
    return answer_with_page(
        request, authorization, clients=clients, error=_ERRORS.get(error_code, _OTHER_ERROR), status=status
    )
