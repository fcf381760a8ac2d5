"""Responses to browsers during a sign-in: the page, whose forms only that browser can submit, and the redirect back."""

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse

from auth.oidc.authorization_requests import AuthorizationRequest, ReturnAddress
from auth.oidc.dependencies import StandardClients
from auth.oidc.sign_in_page import FormTarget, show_code_form, show_sign_in
from auth.oidc.signed_forms import choose_browser_cookie, cookie_name

_FOLDER = "/oauth2/"


def answer_with_page(
    request: Request,
    authorization: AuthorizationRequest,
    *,
    clients: StandardClients,
    login: str = "",
    mfa_token: str | None = None,
    error: str = "",
    status: int = 200,
    with_resend: bool = False,
) -> HTMLResponse:
    """The sign-in page, whose forms only this browser can submit; with `mfa_token` the page of the second factor.
    `with_resend` adds a link to request another confirmation mail."""
    browser = choose_browser_cookie(read_browser_cookie(request, clients))
    client = clients.registered[authorization.address.client_id]
    target = FormTarget(
        folder=_find_folder(request), field=clients.forms.write(authorization, browser=browser)
    )
    if mfa_token is None:
        response = show_sign_in(
            authorization,
            client=client,
            target=target,
            with_google=clients.with_google,
            with_passkeys=clients.with_passkeys,
            login=login,
            error=error,
            status=status,
            with_resend=with_resend,
        )
    else:
        response = show_code_form(
            authorization, client=client, target=target, mfa_token=mfa_token, error=error, status=status
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
    """The cookie that the browser's forms are bound to."""
    return request.cookies.get(cookie_name(is_secure=clients.is_secure))


def _find_folder(request: Request) -> str:
    # Relative, since a proxy may add a prefix. It depends on the path, since the callback from Google shows this page too.
    path = request.url.path.removeprefix(request.scope.get("root_path", "").rstrip("/"))
    return "" if path.startswith(_FOLDER) else "../" * (path.count("/") - 1) + _FOLDER.lstrip("/")


def send_back(
    address: ReturnAddress, *, clients: StandardClients, status: int = 303, **answer: str
) -> RedirectResponse:
    """Redirect the browser to the client. 303, so that it does not send the form with the password along (RFC 9700, 4.12)."""
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    target = address.with_answer(issuer=clients.issuer, **answer)
    response = RedirectResponse("/", status_code=status, headers=headers)
    # Set by hand: the framework would quote the redirect URI again.
    response.headers["Location"] = target
    return response
