"""Routes of signing in with Google."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import StringConstraints

from auth.dependencies import SettingsDep, TokensDep
from auth.errors import CodeNoLongerGood, GoogleNotConfigured, KeysNotReady, OriginRefused, SignInNotBegun
from auth.google import codes, service
from auth.google.beginnings import LIFETIME, cookie_name, is_secret, new_secret
from auth.google.redirects import LONGEST_REDIRECT, is_allowed
from auth.google.schemas import CodeExchange
from auth.google.service import GoogleSignIn, Return
from auth.pages import show_refusal
from auth.sessions.device import DeviceDep
from auth.sessions.routes import LoginOrSecondFactor
from auth.sessions.transport import LoginTransportDep, write_tokens
from auth.settings import Settings
from dbcommon.session import DatabaseDep
from webcommon.problems import InvalidRequest, ServiceUnavailable, problem_responses
from webcommon.throttling.dependencies import GuardDep, OriginDep

router = APIRouter(prefix="/v1/oauth", tags=["Google"])

_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

Challenge = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]


async def get_google(request: Request) -> GoogleSignIn:
    """What sign-ins with Google are made with. Raises `GoogleNotConfigured`."""
    google: GoogleSignIn | None = request.app.state.google
    if google is None:
        raise GoogleNotConfigured
    return google


GoogleDep = Annotated[GoogleSignIn, Depends(get_google)]


async def get_browser(request: Request, settings: SettingsDep) -> str | None:
    """What ties the sign-ins of a browser to it."""
    value = request.cookies.get(cookie_name(secure=_is_secure(settings)))
    return value if is_secret(value) else None


BrowserDep = Annotated[str | None, Depends(get_browser)]


@router.get(
    "/google/authorize",
    operation_id="begin_google_sign_in",
    status_code=302,
    response_class=RedirectResponse,
    responses=problem_responses(GoogleNotConfigured, InvalidRequest, ServiceUnavailable),
)
async def begin_google_sign_in(
    google: GoogleDep,
    browser: BrowserDep,
    settings: SettingsDep,
    redirect_to: Annotated[
        str,
        Query(
            max_length=LONGEST_REDIRECT,
            description="Where to come back to, one of GOOGLE_REDIRECT_URLS: with `code`, or with `error`.",
        ),
    ],
    code_challenge: Annotated[
        Challenge | None,
        Query(description="Of the method S256 (RFC 7636): then the exchange needs the verifier."),
    ] = None,
) -> Response:
    """Send a browser to Google. It has to come back within ten minutes, and it has to be the same one."""
    loopback = settings.environment == "development"
    if not is_allowed(redirect_to, allowed=settings.redirect_urls, allow_loopback=loopback):
        raise InvalidRequest(
            "a sign-in may not lead there; GOOGLE_REDIRECT_URLS names where it may",
            pointer="#query/redirect_to",
        )
    browser = browser or new_secret()
    url = await service.begin(google, browser=browser, redirect_to=redirect_to, code_challenge=code_challenge)
    response = RedirectResponse(url, status_code=302, headers=_HEADERS)
    _tie_to_browser(response, browser, settings=settings)
    return response


@router.get(
    "/google/callback",
    operation_id="finish_google_sign_in",
    status_code=302,
    response_class=RedirectResponse,
    responses=problem_responses(GoogleNotConfigured, ServiceUnavailable),
)
async def finish_google_sign_in(
    google: GoogleDep,
    browser: BrowserDep,
    device: DeviceDep,
    guard: GuardDep,
    origin: OriginDep,
    state: str = "",
    code: str | None = None,
    error: str | None = None,
    iss: str | None = None,
) -> Response:
    """Where Google sends the browser. It goes on to `redirect_to`, with a code of one use or with an error; a page says so
    when no sign-in was begun in this browser."""
    back = Return(state=state, browser=browser, code=code, error=error, issuer=iss)
    try:
        way = await service.finish(google, back, device=device)
    except SignInNotBegun as problem:
        return show_refusal("Signing in with Google", problem)
    response = RedirectResponse(way.url, status_code=302, headers=_HEADERS)
    if way.user_id is not None:
        guard.remember_device(response, account=way.user_id, origin=origin)
    return response


@router.post(
    "/exchange",
    operation_id="exchange_sign_in_code",
    response_model=LoginOrSecondFactor,
    responses=problem_responses(CodeNoLongerGood, OriginRefused, ServiceUnavailable, KeysNotReady),
)
async def exchange_sign_in_code(
    body: CodeExchange, transport: LoginTransportDep, database: DatabaseDep, tokens: TokensDep
) -> Response:
    """The tokens of a sign-in, for the code that it led back with, as a login gives them. It works once, for a minute."""
    answer = await codes.exchange(body.code, body.code_verifier, database=database, tokens=tokens)
    return write_tokens(answer, transport=transport)


def _is_secure(settings: Settings) -> bool:
    return settings.auth_issuer.startswith("https://")


def _tie_to_browser(response: Response, browser: str, *, settings: Settings) -> None:
    secure = _is_secure(settings)
    response.set_cookie(
        cookie_name(secure=secure),
        browser,
        max_age=int(LIFETIME.total_seconds()),
        path="/",
        secure=secure,
        httponly=True,
        # The way back from Google is a navigation from another site.
        samesite="lax",
    )
