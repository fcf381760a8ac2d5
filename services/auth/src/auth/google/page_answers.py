"""What the sign-in page does for a sign-in with Google: it leads there, and says it when nothing came of it."""

from html import escape
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse

from auth.oidc.authorization_requests import AuthorizationRequest
from auth.oidc.dependencies import StandardClients
from auth.oidc.responses import answer_with_page
from auth.web.pages import show_page

_RESERVED = ":/%#?=@[]!$&'()*+,;"

_FAULTS = {
    "access_denied": "You cancelled at Google. Try again, or sign in another way.",
    "email_reserved": "This address belonged to another account until a few days ago. Try again in a week, or sign in"
    " another way.",
    "email_unverified": "Google has not verified your e-mail address. Verify it there, or sign in another way.",
    "provider_unavailable": "Google does not answer. Try again in a moment, or sign in another way.",
    "sign_in_refused": "This sign-in was refused. Sign in another way.",
    "state_expired": "You were at Google for too long. Try again, or sign in another way.",
    "state_used": "This sign-in with Google was used already. Begin again.",
}
_OTHER_FAULT = "Nothing came of signing in with Google. Try again, or sign in another way."


def lead_to_google(address: str) -> HTMLResponse:
    """A page that goes on to Google by itself, without script.

    It is no redirect: Chromium asks `form-action` about every address that the answer to a form leads to in a row. Those
    at Google and behind it are not ours to know, so the sign-in page would have to let its forms go anywhere.
    """
    response = show_page("On to Google", f'<p><a href="{escape(address)}">Go on to Google</a></p>')
    response.headers["Refresh"] = f"0; url={quote(address, safe=_RESERVED)}"
    return response


def show_google_fault(
    request: Request, asked: AuthorizationRequest, fault: str, *, clients: StandardClients
) -> HTMLResponse:
    """The sign-in page again, with why nothing came of it: it still knows every other way, and the one back."""
    status = 503 if fault == "provider_unavailable" else 403
    return answer_with_page(
        request, asked, clients=clients, fault=_FAULTS.get(fault, _OTHER_FAULT), status=status
    )
