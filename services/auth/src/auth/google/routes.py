"""Routes of apps that sign people in with Google: the redirect to Google, and the exchange of the code."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse
from pydantic import StringConstraints

from auth.google import codes, service
from auth.google.dependencies import BrowserDep, GoogleDep, set_browser_cookie
from auth.google.errors import GoogleNotConfigured, InvalidCode
from auth.google.linking import SignInRefused
from auth.google.redirects import HEADERS, add_answer, is_allowed
from auth.google.return_targets import AppTarget
from auth.google.schemas import CodeExchange
from auth.google.state import new_secret
from auth.keys.errors import KeysNotReady
from auth.login.schemas import LoginOrSecondFactor
from auth.sessions.dependencies import TokensDep
from auth.sessions.errors import OriginRefused
from auth.sessions.transport import LoginTransportDep, write_tokens
from auth.settings import SettingsDep
from auth.settings.google import LONGEST_REDIRECT
from dbcommon.session import DatabaseDep
from webcommon.accounts.throttling.dependencies import ClientInfoDep
from webcommon.accounts.throttling.throttle import TooManyAttempts
from webcommon.api.problems import InvalidRequest, ServiceUnavailable, problem_responses

router = APIRouter(prefix="/v1/oauth", tags=["Google"])

Challenge = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]


@router.get(
    "/google/authorize",
    operation_id="begin_google_sign_in",
    status_code=302,
    response_class=RedirectResponse,
    responses=problem_responses(GoogleNotConfigured, InvalidRequest, TooManyAttempts, ServiceUnavailable),
)
async def begin_google_sign_in(
    google: GoogleDep,
    browser: BrowserDep,
    settings: SettingsDep,
    client: ClientInfoDep,
    redirect_to: Annotated[
        str,
        Query(
            max_length=LONGEST_REDIRECT,
            description="Where to redirect to afterwards, with `code` or `error`: one of GOOGLE_REDIRECT_URLS.",
        ),
    ],
    code_challenge: Annotated[
        Challenge | None,
        Query(description="S256 (RFC 7636): the exchange then needs the verifier."),
    ] = None,
) -> Response:
    """Redirect the browser to Google. The same browser has to come back within ten minutes."""
    loopback = settings.environment == "development"
    if not is_allowed(redirect_to, allowed=settings.redirect_urls, allow_loopback=loopback):
        raise InvalidRequest(
            "this address is not one of GOOGLE_REDIRECT_URLS",
            pointer="#query/redirect_to",
        )
    browser = browser or new_secret()
    target = AppTarget(redirect_to=redirect_to, code_challenge=code_challenge)
    try:
        url = await service.begin(google, target, browser=browser, client=client)
    except SignInRefused as refusal:
        url = add_answer(redirect_to, error=refusal.code)
    response = RedirectResponse(url, status_code=302, headers=HEADERS)
    set_browser_cookie(response, browser, settings=settings)
    return response


@router.post(
    "/exchange",
    operation_id="exchange_sign_in_code",
    response_model=LoginOrSecondFactor,
    responses=problem_responses(InvalidCode, OriginRefused, ServiceUnavailable, KeysNotReady),
)
async def exchange_sign_in_code(
    body: CodeExchange, transport: LoginTransportDep, database: DatabaseDep, tokens: TokensDep
) -> Response:
    """The tokens of a sign-in for its code, as a login gives them. A code works once, within a minute."""
    answer = await codes.exchange(body.code, body.code_verifier, database=database, tokens=tokens)
    return write_tokens(answer, transport=transport)
