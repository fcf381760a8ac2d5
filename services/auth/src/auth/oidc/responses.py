"""What browsers get on their way through a sign-in: a page of ours with a form that only they can send, or the way back."""

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse

from auth.oidc.authorization_requests import AuthorizationRequest, ReturnAddress
from auth.oidc.dependencies import StandardClients
from auth.oidc.sign_in_page import FormTarget, show_code_form, show_sign_in
from auth.oidc.signed_forms import choose_browser_cookie, cookie_name

_FOLDER = "/oauth2/"


def answer_with_page(
    request: Request,
    asked: AuthorizationRequest,
    *,
    clients: StandardClients,
    login: str = "",
    mfa_token: str | None = None,
    fault: str = "",
    status: int = 200,
    with_resend: bool = False,
) -> HTMLResponse:
    """The page, with forms that only this browser can send; with `mfa_token` that of the second factor, `with_resend` says
    where another link to confirm the address is to be had."""
    browser = choose_browser_cookie(read_browser_cookie(request, clients))
    client = clients.registered[asked.address.client_id]
    target = FormTarget(folder=_find_folder(request), field=clients.forms.write(asked, browser=browser))
    if mfa_token is None:
        response = show_sign_in(
            asked,
            client=client,
            target=target,
            with_google=clients.with_google,
            with_passkeys=clients.with_passkeys,
            login=login,
            fault=fault,
            status=status,
            with_resend=with_resend,
        )
    else:
        response = show_code_form(
            asked, client=client, target=target, mfa_token=mfa_token, fault=fault, status=status
        )
    response.set_cookie(
        cookie_name(is_secure=clients.is_secure),
        browser,
        path="/",
        secure=clients.is_secure,
        httponly=True,
        samesite="lax",
    )
    return response


def read_browser_cookie(request: Request, clients: StandardClients) -> str | None:
    """What the browser sent of the cookie that its forms are bound to."""
    return request.cookies.get(cookie_name(is_secure=clients.is_secure))


def _find_folder(request: Request) -> str:
    # Relative, since a proxy may know us under a prefix; and not always the same, since the way back from Google ends here.
    path = request.url.path.removeprefix(request.scope.get("root_path", "").rstrip("/"))
    return "" if path.startswith(_FOLDER) else "../" * (path.count("/") - 1) + _FOLDER.lstrip("/")


def send_back(
    address: ReturnAddress, *, clients: StandardClients, status: int = 303, **answer: str
) -> RedirectResponse:
    """Send the browser to the client. 303, so that it does not send the form, with the password, along (RFC 9700, 4.12)."""
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    target = address.with_answer(issuer=clients.issuer, **answer)
    response = RedirectResponse("/", status_code=status, headers=headers)
    # Not quoted anew by the framework: the redirect URI goes out to the letter.
    response.headers["Location"] = target
    return response
