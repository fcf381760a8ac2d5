"""The forms of the sign-in page: the password's, the passkey's, and the second factor's where the account has one."""

from fastapi import APIRouter, Request
from pydantic import SecretStr, ValidationError
from starlette.responses import Response

from auth.dependencies import OutboxDep, PasswordCheckDep, SecondFactorsDep, SettingsDep, TokensDep
from auth.errors import EmailNotVerified, LoginExpired, LoginFailed, SecondFactorFailed
from auth.pages import PageRoute
from auth.sessions.device import DeviceDep
from auth.standard_clients.dependencies import StandardClientsDep
from auth.standard_clients.sent_forms import answer_sign_in, read_sent_form, show_fault
from auth.standard_clients.sign_in import PageSignIn
from webcommon.credentials import Login
from webcommon.throttling.dependencies import OriginDep
from webcommon.throttling.throttle import TooManyAttempts

router = APIRouter(prefix="/oauth2", include_in_schema=False, route_class=PageRoute)


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
    sent = await read_sent_form(request, clients=clients, settings=settings)
    if isinstance(sent, Response):
        return sent
    login = sent.fields.get("login", "")
    page = PageSignIn(request=sent.asked, check=check, tokens=tokens, origin=origin, device=device)
    try:
        credentials = Login(login=login, password=SecretStr(sent.fields.get("password", "")))
        done = await page.prove_password(credentials)
    except ValidationError:
        return show_fault(request, sent.asked, clients=clients, problem=LoginFailed(), login=login)
    except (LoginFailed, EmailNotVerified, TooManyAttempts) as problem:
        return show_fault(request, sent.asked, clients=clients, problem=problem, login=login)
    return answer_sign_in(request, sent.asked, done, clients=clients, guard=check.guard, origin=origin)


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
    sent = await read_sent_form(request, clients=clients, settings=settings)
    if isinstance(sent, Response):
        return sent
    page = PageSignIn(request=sent.asked, check=check, tokens=tokens, origin=origin, device=device)
    mfa_token = sent.fields.get("mfa_token", "")
    try:
        done = await page.prove_code(
            sent.fields.get("code", ""), mfa_token=mfa_token, factors=factors, outbox=outbox
        )
    except LoginExpired as problem:
        return show_fault(request, sent.asked, clients=clients, problem=problem)
    except (SecondFactorFailed, TooManyAttempts) as problem:
        return show_fault(request, sent.asked, clients=clients, problem=problem, mfa_token=mfa_token)
    return answer_sign_in(request, sent.asked, done, clients=clients, guard=check.guard, origin=origin)
