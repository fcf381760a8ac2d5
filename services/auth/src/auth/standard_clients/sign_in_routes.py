"""The forms of the sign-in page: the password's, and the second factor's where the account has one."""

from dataclasses import dataclass, field

from fastapi import APIRouter, Request
from pydantic import SecretStr, ValidationError
from starlette.responses import Response

from auth.dependencies import OutboxDep, PasswordCheckDep, SecondFactorsDep, SettingsDep, TokensDep
from auth.errors import EmailNotVerified, LoginExpired, LoginFailed, SecondFactorFailed
from auth.origins import is_own_origin
from auth.pages import PageRoute
from auth.sessions.device import DeviceDep
from auth.settings import Settings
from auth.standard_clients.answers import answer_with_page, read_browser_cookie, send_back
from auth.standard_clients.authorization_requests import AuthorizationRequest, find_return_address
from auth.standard_clients.dependencies import StandardClients, StandardClientsDep
from auth.standard_clients.errors import OAuthRefusal, UntrustedRequest
from auth.standard_clients.forms import SignInForm
from auth.standard_clients.parameters import read_form
from auth.standard_clients.sign_in import PageSignIn, SignedIn
from auth.standard_clients.sign_in_page import show_untrusted
from webcommon.credentials import Login
from webcommon.problems import Problem
from webcommon.throttling.dependencies import OriginDep
from webcommon.throttling.throttle import TooManyAttempts

router = APIRouter(prefix="/oauth2", include_in_schema=False, route_class=PageRoute)


@dataclass(frozen=True, kw_only=True)
class _Sent:
    form: SignInForm
    fields: dict[str, str] = field(repr=False)

    @property
    def asked(self) -> AuthorizationRequest:
        return self.form.request


@router.post("/sign-in")
async def use_sign_in_page(
    request: Request,
    clients: StandardClientsDep,
    settings: SettingsDep,
    check: PasswordCheckDep,
    tokens: TokensDep,
    origin: OriginDep,
    device: DeviceDep,
) -> Response:
    """Take the page's form: send the browser back with a code, ask for the second factor, or show the page again."""
    sent = await _read(request, clients=clients, settings=settings)
    if isinstance(sent, Response):
        return sent
    login = sent.fields.get("login", "")
    page = PageSignIn(request=sent.asked, check=check, tokens=tokens, origin=origin, device=device)
    try:
        credentials = Login(login=login, password=SecretStr(sent.fields.get("password", "")))
        done = await page.prove_password(credentials)
    except ValidationError:
        return _show_fault(request, sent, clients=clients, problem=LoginFailed(), login=login)
    except (LoginFailed, EmailNotVerified, TooManyAttempts) as problem:
        return _show_fault(request, sent, clients=clients, problem=problem, login=login)
    if isinstance(done, SignedIn):
        return _finish(sent, done, page=page, clients=clients)
    return answer_with_page(request, sent.asked, clients=clients, mfa_token=done.mfa_token)


@router.post("/sign-in-code")
async def use_code_page(
    request: Request,
    clients: StandardClientsDep,
    settings: SettingsDep,
    check: PasswordCheckDep,
    factors: SecondFactorsDep,
    tokens: TokensDep,
    outbox: OutboxDep,
    origin: OriginDep,
    device: DeviceDep,
) -> Response:
    """Take the form of the second factor."""
    sent = await _read(request, clients=clients, settings=settings)
    if isinstance(sent, Response):
        return sent
    page = PageSignIn(request=sent.asked, check=check, tokens=tokens, origin=origin, device=device)
    mfa_token = sent.fields.get("mfa_token", "")
    try:
        done = await page.prove_code(
            sent.fields.get("code", ""), mfa_token=mfa_token, factors=factors, outbox=outbox
        )
    except LoginExpired as problem:
        return _show_fault(request, sent, clients=clients, problem=problem)
    except (SecondFactorFailed, TooManyAttempts) as problem:
        return _show_fault(request, sent, clients=clients, problem=problem, mfa_token=mfa_token)
    return _finish(sent, done, page=page, clients=clients)


async def _read(request: Request, *, clients: StandardClients, settings: Settings) -> _Sent | Response:
    """What the page sent, or the answer to what cannot be taken for it, or to its button for cancelling."""
    try:
        sent = await _read_own(request, clients=clients, settings=settings)
    except (OAuthRefusal, UntrustedRequest) as refusal:
        return show_untrusted(UntrustedRequest(refusal.error, refusal.description))
    if not sent.form.is_good:
        fault = "This page was open for too long, or your browser keeps no cookies. Sign in once more."
        return answer_with_page(request, sent.asked, clients=clients, fault=fault, status=403)
    if sent.fields.get("decision") == "cancel":
        return send_back(sent.asked.address, clients=clients, error="access_denied")
    return sent


async def _read_own(request: Request, *, clients: StandardClients, settings: Settings) -> _Sent:
    """The page's form as it was sent. Raises `UntrustedRequest` for one that no page of ours can have sent."""
    fields = await read_form(request)
    form = clients.forms.read(fields.get("form", ""), browser=read_browser_cookie(request, clients))
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


def _finish(sent: _Sent, done: SignedIn, *, page: PageSignIn, clients: StandardClients) -> Response:
    response = send_back(sent.asked.address, clients=clients, code=done.code)
    page.check.guard.remember_device(response, account=done.user_id, origin=page.origin)
    return response


def _show_fault(
    request: Request,
    sent: _Sent,
    *,
    clients: StandardClients,
    problem: Problem,
    login: str = "",
    mfa_token: str | None = None,
) -> Response:
    page = answer_with_page(
        request,
        sent.asked,
        clients=clients,
        login=login[:320],
        mfa_token=mfa_token,
        fault=f"{problem.title}. {problem.detail or ''}",
        status=problem.status,
    )
    page.headers.update(problem.headers)
    return page
