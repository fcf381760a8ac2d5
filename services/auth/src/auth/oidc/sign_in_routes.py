"""Routes of the sign-in page's forms: password, passkey, and second factor."""

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from pydantic import SecretStr, ValidationError
from starlette.responses import Response

from auth.errors import EmailNotVerified, LoginFailed
from auth.login.dependencies import PasswordCheckDep
from auth.mail.dependencies import OutboxDep
from auth.oidc.dependencies import StandardClientsDep
from auth.oidc.sign_in import PageSignIn
from auth.oidc.sign_in_page import show_begin_again
from auth.oidc.submitted_forms import answer_sign_in, read_submitted_form, show_problem
from auth.passkeys.dependencies import PasskeysDep
from auth.passkeys.errors import PasskeyRefused
from auth.second_factors.dependencies import SecondFactorsDep
from auth.second_factors.errors import LoginExpired, SecondFactorFailed
from auth.sessions.dependencies import TokensDep
from auth.sessions.device import DeviceDep
from auth.settings import SettingsDep
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
    """Sign in with a password: redirect with a code, ask for the second factor, or show the page again."""
    submitted = await read_submitted_form(request, clients=clients, settings=settings)
    if isinstance(submitted, Response):
        return submitted
    login = submitted.fields.get("login", "")
    page = PageSignIn(
        request=submitted.authorization, check=check, tokens=tokens, client=client, device=device
    )
    try:
        credentials = Login(login=login, password=SecretStr(submitted.fields.get("password", "")))
        done = await page.sign_in_with_password(credentials)
    except ValidationError:
        return show_problem(
            request, submitted.authorization, clients=clients, problem=LoginFailed(), login=login
        )
    except (LoginFailed, EmailNotVerified, TooManyAttempts) as problem:
        return show_problem(request, submitted.authorization, clients=clients, problem=problem, login=login)
    return answer_sign_in(
        request, submitted.authorization, done, clients=clients, guard=check.guard, client=client
    )


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
    """Sign in with a passkey, which counts as both factors. The page's script fills in the form."""
    submitted = await read_submitted_form(request, clients=clients, settings=settings)
    if isinstance(submitted, Response):
        return submitted
    page = PageSignIn(
        request=submitted.authorization, check=check, tokens=tokens, client=client, device=device
    )
    try:
        done = await page.sign_in_with_passkey(submitted.fields.get("credential", ""), passkeys=passkeys)
    except (PasskeyRefused, EmailNotVerified, TooManyAttempts) as problem:
        return show_problem(request, submitted.authorization, clients=clients, problem=problem)
    return answer_sign_in(
        request, submitted.authorization, done, clients=clients, guard=check.guard, client=client
    )


@router.api_route("/sign-in", methods=["GET", "HEAD"])
@router.api_route("/sign-in-passkey", methods=["GET", "HEAD"])
@router.api_route("/sign-in-code", methods=["GET", "HEAD"])
@router.api_route("/sign-in-google", methods=["GET", "HEAD"])
async def show_start_hint() -> Response:
    """A reload or a bookmark of a form's response: a page that says where to begin."""
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
    """Finish a sign-in with a code of the second factor."""
    submitted = await read_submitted_form(request, clients=clients, settings=settings)
    if isinstance(submitted, Response):
        return submitted
    page = PageSignIn(
        request=submitted.authorization, check=check, tokens=tokens, client=client, device=device
    )
    mfa_token = submitted.fields.get("mfa_token", "")
    try:
        done = await page.sign_in_with_code(
            submitted.fields.get("code", ""), mfa_token=mfa_token, factors=factors, outbox=outbox
        )
    except LoginExpired as problem:
        return show_problem(request, submitted.authorization, clients=clients, problem=problem)
    except (SecondFactorFailed, TooManyAttempts) as problem:
        return show_problem(
            request, submitted.authorization, clients=clients, problem=problem, mfa_token=mfa_token
        )
    return answer_sign_in(
        request, submitted.authorization, done, clients=clients, guard=check.guard, client=client
    )
