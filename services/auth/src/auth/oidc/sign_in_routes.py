"""The forms of the sign-in page: the password's, the passkey's, and the second factor's where the account has one."""

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from pydantic import SecretStr, ValidationError
from starlette.responses import Response

from auth.dependencies import SettingsDep
from auth.errors import EmailNotVerified, LoginFailed
from auth.login.dependencies import PasswordCheckDep
from auth.mail.dependencies import OutboxDep
from auth.oidc.dependencies import StandardClientsDep
from auth.oidc.sign_in import PageSignIn
from auth.oidc.sign_in_page import show_begin_again
from auth.oidc.submitted_forms import answer_sign_in, read_sent_form, show_fault
from auth.passkeys.dependencies import PasskeysDep
from auth.passkeys.errors import PasskeyRefused
from auth.second_factors.dependencies import SecondFactorsDep
from auth.second_factors.errors import LoginExpired, SecondFactorFailed
from auth.sessions.dependencies import TokensDep
from auth.sessions.device import DeviceDep
from auth.web.pages import PageRoute
from webcommon.accounts.credentials import Login
from webcommon.accounts.throttling.dependencies import ClientInfoDep
from webcommon.accounts.throttling.throttle import TooManyAttempts

router = APIRouter(prefix="/oauth2", include_in_schema=False, route_class=PageRoute)

_SCRIPT = Path(__file__).with_name("passkey.js")
_SCRIPT_HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}


@router.post("/sign-in")
async def use_sign_in_page(
    request: Request,
    clients: StandardClientsDep,
    settings: SettingsDep,
    check: PasswordCheckDep,
    tokens: TokensDep,
    client: ClientInfoDep,
    device: DeviceDep,
) -> Response:
    """Take the page's form: send the browser back with a code, ask for the second factor, or show the page again."""
    sent = await read_sent_form(request, clients=clients, settings=settings)
    if isinstance(sent, Response):
        return sent
    login = sent.fields.get("login", "")
    page = PageSignIn(request=sent.asked, check=check, tokens=tokens, client=client, device=device)
    try:
        credentials = Login(login=login, password=SecretStr(sent.fields.get("password", "")))
        done = await page.verify_password(credentials)
    except ValidationError:
        return show_fault(request, sent.asked, clients=clients, problem=LoginFailed(), login=login)
    except (LoginFailed, EmailNotVerified, TooManyAttempts) as problem:
        return show_fault(request, sent.asked, clients=clients, problem=problem, login=login)
    return answer_sign_in(request, sent.asked, done, clients=clients, guard=check.guard, client=client)


@router.post("/sign-in-passkey")
async def use_passkey_button(
    request: Request,
    clients: StandardClientsDep,
    settings: SettingsDep,
    check: PasswordCheckDep,
    passkeys: PasskeysDep,
    tokens: TokensDep,
    client: ClientInfoDep,
    device: DeviceDep,
) -> Response:
    """Take the form that the page's script fills in. A passkey stands for both factors."""
    sent = await read_sent_form(request, clients=clients, settings=settings)
    if isinstance(sent, Response):
        return sent
    page = PageSignIn(request=sent.asked, check=check, tokens=tokens, client=client, device=device)
    try:
        done = await page.verify_passkey(sent.fields.get("credential", ""), passkeys=passkeys)
    except (PasskeyRefused, EmailNotVerified, TooManyAttempts) as problem:
        return show_fault(request, sent.asked, clients=clients, problem=problem)
    return answer_sign_in(request, sent.asked, done, clients=clients, guard=check.guard, client=client)


@router.api_route("/sign-in", methods=["GET", "HEAD"])
@router.api_route("/sign-in-passkey", methods=["GET", "HEAD"])
@router.api_route("/sign-in-code", methods=["GET", "HEAD"])
@router.api_route("/sign-in-google", methods=["GET", "HEAD"])
async def show_where_to_begin() -> Response:
    """A form's answer is a page at the form's address: who loads it anew, or comes by a bookmark, is told where to begin."""
    return show_begin_again()


@router.get("/passkey.js")
async def get_passkey_script() -> FileResponse:
    """The page's script."""
    return FileResponse(_SCRIPT, media_type="text/javascript", headers=_SCRIPT_HEADERS)


@router.post("/sign-in-code")
async def use_code_page(
    request: Request,
    clients: StandardClientsDep,
    settings: SettingsDep,
    check: PasswordCheckDep,
    factors: SecondFactorsDep,
    tokens: TokensDep,
    outbox: OutboxDep,
    client: ClientInfoDep,
    device: DeviceDep,
) -> Response:
    """Take the form of the second factor."""
    sent = await read_sent_form(request, clients=clients, settings=settings)
    if isinstance(sent, Response):
        return sent
    page = PageSignIn(request=sent.asked, check=check, tokens=tokens, client=client, device=device)
    mfa_token = sent.fields.get("mfa_token", "")
    try:
        done = await page.verify_code(
            sent.fields.get("code", ""), mfa_token=mfa_token, factors=factors, outbox=outbox
        )
    except LoginExpired as problem:
        return show_fault(request, sent.asked, clients=clients, problem=problem)
    except (SecondFactorFailed, TooManyAttempts) as problem:
        return show_fault(request, sent.asked, clients=clients, problem=problem, mfa_token=mfa_token)
    return answer_sign_in(request, sent.asked, done, clients=clients, guard=check.guard, client=client)
