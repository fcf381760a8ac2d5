"""The authorization endpoint, and the form of its page. Both are for browsers: no script, and no token in any address."""

from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import SecretStr, ValidationError
from starlette.responses import Response

from auth.dependencies import PasswordCheckDep, SettingsDep, TokensDep
from auth.errors import EmailNotVerified, LoginFailed
from auth.origins import is_own_origin
from auth.sessions.device import DeviceDep
from auth.settings import Settings
from auth.standard_clients.authorization_requests import (
    AuthorizationRequest,
    ReturnAddress,
    check_request,
    find_return_address,
    read_query,
)
from auth.standard_clients.dependencies import StandardClients, StandardClientsDep
from auth.standard_clients.errors import AuthorizationRefusal, OAuthRefusal, UntrustedRequest
from auth.standard_clients.forms import SignInForm, choose_browser_cookie, cookie_name
from auth.standard_clients.parameters import read_form, read_form_text
from auth.standard_clients.sign_in import sign_in
from auth.standard_clients.sign_in_page import show_sign_in, show_untrusted
from webcommon.credentials import Login
from webcommon.problems import Problem, problem_responses
from webcommon.throttling.dependencies import OriginDep
from webcommon.throttling.throttle import TooManyAttempts

router = APIRouter(tags=["standard clients"])

_PAGE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The sign-in page.", "content": {"text/html": {"schema": {"type": "string"}}}},
    302: {"description": "An error, for the client: `error`, `error_description`, `state`, `iss`."},
}

_QUERY = [
    {"name": name, "in": "query", "required": required, "schema": {"type": "string"}, "description": told}
    for name, required, told in (
        ("response_type", True, "`code`"),
        ("client_id", True, "A registered client."),
        ("redirect_uri", True, "One of the client's, to the letter."),
        ("code_challenge", True, "PKCE (RFC 7636): base64url of the verifier's SHA-256."),
        ("code_challenge_method", True, "`S256`"),
        ("scope", False, "Of `openid profile email`; all of them by default."),
        ("state", False, "Comes back unchanged."),
        ("nonce", False, "Comes back in the ID token."),
        ("prompt", False, "`none`, `login`, `consent`, `select_account`"),
        ("max_age", False, "Seconds; the person signs in anew in any case."),
        ("login_hint", False, "What stands in the form already."),
    )
]


@router.get(
    "/oauth2/authorize",
    operation_id="show_sign_in_page",
    response_class=HTMLResponse,
    responses=_PAGE,
    openapi_extra={"parameters": _QUERY},
)
async def show_sign_in_page(request: Request, clients: StandardClientsDep) -> Response:
    """Ask for an authorization code (RFC 6749, 4.1; PKCE with S256 is required). Answers the sign-in page.

    As long as the client or its redirect URI is not known, an error is shown on a page (400); later ones go to the client.
    """
    return _answer(request, request.url.query, clients=clients)


@router.post("/oauth2/authorize", include_in_schema=False)
async def show_sign_in_page_for_form(request: Request, clients: StandardClientsDep) -> Response:
    """The same with the parameters in a form, as OpenID Connect Core 3.1.2.1 has it."""
    try:
        return _answer(request, await read_form_text(request), clients=clients)
    except OAuthRefusal as refusal:
        return show_untrusted(UntrustedRequest(refusal.error, refusal.description))


@router.post("/oauth2/sign-in", include_in_schema=False, responses=problem_responses(TooManyAttempts))
async def use_sign_in_page(
    request: Request,
    clients: StandardClientsDep,
    settings: SettingsDep,
    check: PasswordCheckDep,
    tokens: TokensDep,
    origin: OriginDep,
    device: DeviceDep,
) -> Response:
    """Take the page's form: sign in and send the browser back with a code, or show the page again."""
    try:
        sent = await _read_sign_in(request, clients=clients, settings=settings)
    except (OAuthRefusal, UntrustedRequest) as refusal:
        return show_untrusted(UntrustedRequest(refusal.error, refusal.description))
    asked, fields = sent.form.request, sent.fields
    if not sent.form.is_good:
        fault = "This page was open for too long, or your browser keeps no cookies. Sign in once more."
        return _show(request, asked, clients=clients, fault=fault, status=403)
    if fields.get("decision") == "cancel":
        return _send_back(asked.address, clients=clients, error="access_denied")
    try:
        credentials = Login(login=fields.get("login", ""), password=SecretStr(fields.get("password", "")))
        done = await sign_in(
            credentials, request=asked, check=check, tokens=tokens, origin=origin, device=device
        )
    except (ValidationError, LoginFailed, EmailNotVerified, TooManyAttempts) as error:
        return _show_fault(request, asked, clients=clients, error=error, login=fields.get("login", ""))
    response = _send_back(asked.address, clients=clients, code=done.code)
    check.guard.remember_device(response, account=done.user_id, origin=origin)
    return response


@dataclass(frozen=True, kw_only=True)
class _Sent:
    form: SignInForm
    fields: dict[str, str] = field(repr=False)


async def _read_sign_in(request: Request, *, clients: StandardClients, settings: Settings) -> _Sent:
    """The page's form as it was sent. Raises `UntrustedRequest` for one that no page of ours can have sent."""
    fields = await read_form(request)
    form = clients.forms.read(fields.get("form", ""), browser=_browser(request, clients))
    is_foreign = "origin" in request.headers and not is_own_origin(request, settings=settings)
    if form is None or is_foreign:
        raise UntrustedRequest("invalid_request", "this form was not sent from the page that it belongs to")
    address = form.request.address
    # The settings may have changed since the page was shown.
    find_return_address(
        {"client_id": address.client_id, "redirect_uri": address.redirect_uri},
        frozenset(),
        clients=clients.registered,
    )
    return _Sent(form=form, fields=fields)


def _answer(request: Request, text: str, *, clients: StandardClients) -> Response:
    try:
        parameters, repeated = read_query(text)
        address = find_return_address(parameters, repeated, clients=clients.registered)
    except UntrustedRequest as refusal:
        return show_untrusted(refusal)
    try:
        asked = check_request(parameters, repeated, address=address)
    except AuthorizationRefusal as refusal:
        return _send_back(
            address, clients=clients, status=302, error=refusal.error, error_description=refusal.description
        )
    return _show(request, asked, clients=clients)


def _show(
    request: Request,
    asked: AuthorizationRequest,
    *,
    clients: StandardClients,
    login: str = "",
    fault: str = "",
    status: int = 200,
) -> HTMLResponse:
    """The page, with a form that only this browser can send."""
    browser = choose_browser_cookie(_browser(request, clients))
    response = show_sign_in(
        asked,
        client=clients.registered[asked.address.client_id],
        form=clients.forms.write(asked, browser=browser),
        login=login,
        fault=fault,
        status=status,
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


def _show_fault(
    request: Request,
    asked: AuthorizationRequest,
    *,
    clients: StandardClients,
    error: ValidationError | Problem,
    login: str,
) -> HTMLResponse:
    problem = LoginFailed() if isinstance(error, ValidationError) else error
    fault = f"{problem.title}. {problem.detail or ''}"
    page = _show(request, asked, clients=clients, login=login[:320], fault=fault, status=problem.status)
    page.headers.update(problem.headers)
    return page


def _browser(request: Request, clients: StandardClients) -> str | None:
    return request.cookies.get(cookie_name(is_secure=clients.is_secure))


def _send_back(
    address: ReturnAddress, *, clients: StandardClients, status: int = 303, **answer: str
) -> RedirectResponse:
    """Send the browser to the client. 303, so that it does not send the form, with the password, along (RFC 9700, 4.12)."""
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    target = address.with_answer(issuer=clients.issuer, **answer)
    response = RedirectResponse("/", status_code=status, headers=headers)
    # Not quoted anew by the framework: the redirect URI goes out to the letter.
    response.headers["Location"] = target
    return response
